//! Folders as operators leave them.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::Folder;
use crate::binding::Tier;
use crate::compile::Compiler;
use crate::event::EventKind;
use crate::limits::Limits;
use crate::load_report::{LoadChange, LoadReport};
use crate::sinks::Sinks;
use crate::testing::{self, component, export, sink};

const EVENT: EventKind = EventKind::TransactionEnd;

struct Scene {
    root: TempDir,
    sinks: Sinks,
    folder: Folder,
}

impl Scene {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let sinks = testing::sinks();
        let folder = Folder::new(root.path().to_owned(), sinks.clone(), Limits::default());
        Self { root, sinks, folder }
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A new inode each time, as a rename gives it.
        let _old = std::fs::remove_file(&path);
        std::fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.path().join(path)).unwrap();
    }

    async fn scan(&self, expected: &[(&str, LoadChange)]) -> LoadReport {
        let report = self.folder.scan().await;
        let found: Vec<_> = report.lines.iter().map(|line| (&*line.installation, line.change)).collect();
        assert_eq!(found, expected, "{report:?}");
        report
    }

    /// The scan has one line, and it says this.
    async fn complaint(&self, expected: &str) {
        let report = self.folder.scan().await;
        assert_eq!(report.lines.len(), 1, "{report:?}");
        let line = report.lines[0].to_string();
        assert!(line.contains(expected) && !line.contains('\n'), "{line}");
    }

    fn running(&self, tenant: Option<&str>) -> Vec<String> {
        let snapshot = self.sinks.registry();
        snapshot.bindings(EVENT, tenant).iter().map(|binding| binding.id.to_string()).collect()
    }
}

#[tokio::test]
async fn sinks_of_the_operator_and_of_tenants_are_loaded_and_dropped() {
    let scene = Scene::new();
    scene.scan(&[]).await;
    scene.put("operator/scan.wasm", sink(&[EVENT], "scan"));
    scene.put("tenants/acme/tag.wasm", sink(&[EVENT], "tag"));
    scene.put("tenants/other/tag.wasm", sink(&[EVENT], "tag"));
    scene
        .scan(&[
            ("acme/tag", LoadChange::Loaded),
            ("operator/scan", LoadChange::Loaded),
            ("other/tag", LoadChange::Loaded),
        ])
        .await;
    assert_eq!(
        scene.running(Some("acme")),
        ["operator/scan/on-transaction-end", "acme/tag/on-transaction-end"]
    );
    assert_eq!(scene.running(None), ["operator/scan/on-transaction-end"]);
    let snapshot = scene.sinks.registry();
    let of = |tenant| &snapshot.bindings(EVENT, Some(tenant))[1].installation;
    assert!(Arc::ptr_eq(&of("acme").artifact, &of("other").artifact), "code is shared");
    assert!(!Arc::ptr_eq(of("acme"), of("other")), "and nothing else");
    scene.remove("operator/scan.wasm");
    scene.scan(&[("operator/scan", LoadChange::Removed)]).await;
    assert_eq!(scene.running(None), [""; 0]);
}

#[tokio::test]
async fn a_sink_under_a_new_name_is_never_missing() {
    let scene = Scene::new();
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    scene.remove("operator/a.wasm");
    scene.put("operator/b.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/b", LoadChange::Loaded), ("operator/a", LoadChange::Removed)]).await;
    assert_eq!(scene.running(None), ["operator/b/on-transaction-end"]);
}

#[tokio::test]
async fn what_did_not_change_is_not_loaded_again() {
    let scene = Scene::new();
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    let before = scene.sinks.registry();
    scene.scan(&[]).await;
    // The same content in another file is the same version.
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[]).await;
    assert!(Arc::ptr_eq(&before, &scene.sinks.registry()));
}

#[tokio::test]
async fn a_broken_version_keeps_the_last_good_one_and_is_told_once() {
    let scene = Scene::new();
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    let good = scene.sinks.registry();
    scene.put("operator/a.wasm", wat::parse_str("(module)").unwrap());
    let report = scene.scan(&[("operator/a", LoadChange::Kept)]).await;
    assert!(report.has_errors());
    assert!(report.lines[0].to_string().contains("it is a core module"), "{report:?}");
    scene.scan(&[]).await;
    assert!(Arc::ptr_eq(&good, &scene.sinks.registry()));
    scene.put("operator/a.wasm", sink(&[EVENT], "two"));
    scene.scan(&[("operator/a", LoadChange::Replaced)]).await;
}

#[tokio::test]
async fn an_incomplete_file_is_looked_at_again_until_it_is_whole() {
    let scene = Scene::new();
    let whole = sink(&[EVENT], "one");
    scene.put("operator/a.wasm", &whole[..whole.len() - 3]);
    scene.complaint("operator/a failed: not complete: it is cut").await;
    scene.scan(&[]).await;
    scene.put("operator/a.wasm", whole);
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
}

#[tokio::test]
async fn hidden_and_temporary_names_are_ignored_and_odd_ones_told() {
    let scene = Scene::new();
    for name in [".a.wasm", "a.wasm.part", "a.wasm~", "a.tmp", "notes.txt", ".wasm", "a.toml"] {
        scene.put(&format!("operator/{name}"), sink(&[EVENT], "one"));
    }
    scene.put("tenants/.hidden/a.wasm", sink(&[EVENT], "one"));
    scene.put("a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[]).await;
    scene.put("operator/my sink.wasm", sink(&[EVENT], "one"));
    scene.complaint("the file's name `my sink` is not 1 to 63 letters").await;
    scene.put("tenants/operator/a.wasm", sink(&[EVENT], "one"));
    scene.complaint("tenants/operator failed: the folder's name is no tenant's").await;
    scene.scan(&[]).await;
}

#[tokio::test]
async fn the_operators_word_beside_it_is_part_of_the_version() {
    let scene = Scene::new();
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    scene.put("operator/a.install.toml", "tier = 'operator-last'\npriority = 7\nrule = 'tls=yes'");
    scene.scan(&[("operator/a", LoadChange::Replaced)]).await;
    let snapshot = scene.sinks.registry();
    let binding = &snapshot.bindings(EVENT, None)[0];
    assert_eq!((binding.tier, binding.priority), (Tier::OperatorLast, 7));
    assert_eq!(binding.rule.as_ref().unwrap().as_str(), "tls=yes");
    scene.put("operator/a.install.toml", "tier = 'operator-last'\nrule = 'tls=maybe'");
    scene.complaint("operator/a kept").await;
    scene.put("operator/a.install.toml", "\ngrants = ['kv']");
    scene.complaint("the capability kv is not served by this version of the host yet").await;
    scene.put("operator/a.install.toml", "\nrule = 'tls=maybe'");
    scene.complaint("a.install.toml: line 2, column 8: rule: column 5: `maybe` is neither yes nor no").await;
    scene.put("operator/a.install.toml", "enabled = false");
    scene.scan(&[("operator/a", LoadChange::Replaced)]).await;
    assert_eq!(scene.running(None), [""; 0]);
    scene.remove("operator/a.install.toml");
    scene.scan(&[("operator/a", LoadChange::Replaced)]).await;
    assert_eq!(scene.running(None), ["operator/a/on-transaction-end"]);
}

#[tokio::test]
async fn a_manifest_beside_it_is_the_authors_word() {
    let scene = Scene::new();
    let manifest = "name = 'a'\nversion = '3'\n[settings.count]\ntype = 'integer'\nrequired = true";
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.put("operator/sink.toml", manifest);
    scene.complaint("setting `count`: missing; the sink needs an integer").await;
    scene.put("operator/a.install.toml", "settings.count = 3");
    let report = scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    assert_eq!(report.lines[0].version.as_deref(), Some("3"));
    scene.put("operator/b.wasm", sink(&[EVENT], "two"));
    let report = scene.folder.scan().await;
    assert!(
        report.lines.iter().all(|line| line.to_string().contains("sink.toml lies beside several")),
        "{report:?}"
    );
    scene.remove("operator/sink.toml");
    scene.put("operator/a.toml", manifest);
    scene.put("operator/b.toml", "name = 'b'");
    let report = scene.folder.scan().await;
    assert_eq!(report.lines.len(), 1, "{report:?}");
    assert!(
        report.lines[0].to_string().contains("b.toml: line 1, column 1: missing field `version`"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_sink_that_fails_its_own_test_is_not_loaded() {
    let scene = Scene::new();
    for (function, expected) in
        [("no", "on-self-test: not today"), ("trap", "on-self-test: "), ("spin", "on-self-test: ")]
    {
        let test = r#"(instance $test (export "handle" (func $FUNCTION)))
            (export "sluice:sink/on-self-test@0.1.0" (instance $test))"#;
        let items = format!("{}{}", export(EVENT), test.replace("FUNCTION", function));
        scene.put("operator/a.install.toml", "limits.fuel = 1000000");
        scene.put("operator/a.wasm", component(&items, function));
        scene.complaint(expected).await;
    }
    assert_eq!(scene.running(None), [""; 0]);
    scene.put("operator/a.wasm", sink(&[EVENT, EventKind::SelfTest, EventKind::Prepare], "good"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
}

#[tokio::test]
async fn an_export_with_other_types_than_its_event_is_refused() {
    let scene = Scene::new();
    let items = r#"(instance $wrong (export "handle" (func $none)))
        (export "sluice:sink/on-transaction-end@0.1.0" (instance $wrong))"#;
    scene.put("operator/a.wasm", component(items, "wrong"));
    scene.complaint("operator/a failed: ").await;
}

#[tokio::test]
async fn a_component_that_compiles_for_too_long_is_given_up() {
    // So much to compile that it can't be done before the first look at it.
    let functions = "(func (result i32) (i32.const 1))".repeat(20_000);
    let slow = component(&format!("(core module {functions})"), "slow");
    let compiler = Compiler::new(testing::sinks(), Duration::ZERO);
    let error = compiler.compile(slow.into()).await.unwrap_err();
    assert!(error.to_string().contains("it was not compiled within 0 s"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_drops_nothing() {
    let scene = Scene::new();
    scene.put("operator/a.wasm", sink(&[EVENT], "one"));
    scene.scan(&[("operator/a", LoadChange::Loaded)]).await;
    let operator = scene.root.path().join("operator");
    std::fs::rename(&operator, scene.root.path().join("moved")).unwrap();
    std::fs::write(&operator, "a file where a folder was").unwrap();
    scene.complaint("sinks failed: can't be read").await;
    assert_eq!(scene.running(None), ["operator/a/on-transaction-end"]);
    let (root, moved) = (scene.root.path().to_owned(), scene.root.path().with_extension("moved"));
    std::fs::rename(&root, &moved).unwrap();
    scene.complaint("sinks failed: can't be read: the folder of all sinks is gone").await;
    std::fs::rename(&moved, &root).unwrap();
    assert_eq!(scene.running(None), ["operator/a/on-transaction-end"]);
}

#[tokio::test]
async fn a_link_is_followed_inside_of_the_root_and_not_out_of_it() {
    use std::os::unix::fs::symlink;
    let scene = Scene::new();
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("far.wasm"), sink(&[EVENT], "far")).unwrap();
    scene.put("shared/tag.wasm", sink(&[EVENT], "tag"));
    scene.put("tenants/acme/.keep", "");
    let at = |path: &str| scene.root.path().join(path);
    symlink("../../shared/tag.wasm", at("tenants/acme/tag.wasm")).unwrap();
    symlink("acme", at("tenants/sister")).unwrap();
    scene.scan(&[("acme/tag", LoadChange::Loaded), ("sister/tag", LoadChange::Loaded)]).await;
    symlink(outside.path().join("far.wasm"), at("tenants/acme/far.wasm")).unwrap();
    scene.remove("tenants/sister");
    let report = scene.folder.scan().await;
    let told = format!("{:?}", report.lines.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(told.contains("`far.wasm` is a link out of the sinks folder"), "{told}");
    scene.remove("tenants/acme/far.wasm");
    scene.folder.scan().await;
    symlink(outside.path(), at("tenants/beyond")).unwrap();
    scene.complaint("`beyond` is a link out of the sinks folder").await;
    assert_eq!(scene.running(Some("acme")).len(), 1, "what was good goes on");
    assert!(scene.running(Some("beyond")).is_empty());
}
