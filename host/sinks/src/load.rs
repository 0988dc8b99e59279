//! The load path of one sink: read the complete files, inspect, hold the operator's word against the author's, compile,
//! try once. Nothing on it can stop traffic, and nothing of it is seen before all of it is done.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::artifact::Artifact;
use crate::binding::{Binding, Installation, Verbs};
use crate::capability::{Capability, CapabilityKind};
use crate::compile::{Compiler, one_line};
use crate::component::COMPONENT_BYTES_MAX;
use crate::document::{DOCUMENT_BYTES_MAX, DocumentError};
use crate::event::Served;
use crate::folder::Good;
use crate::inspect::{Inspection, digest, inspect};
use crate::installation_file::InstallationFile;
use crate::limits::Limits;
use crate::load_error::LoadError;
use crate::manifest::Manifest;
use crate::places::{Place, Stamp};
use crate::sinks::Sinks;
use crate::trial::TrialError;
use crate::verdict::FaultKind;

/// Loads one sink after the other and shares compiled code between installations.
pub(crate) struct Loader {
    sinks: Sinks,
    compiler: Compiler,
    limits: Limits,
    artifacts: Mutex<HashMap<String, Weak<Artifact>>>,
}

/// The files of a place.
struct Files {
    component: Bytes,
    manifest: Option<String>,
    installation: Option<String>,
}

impl Loader {
    pub(crate) fn new(sinks: Sinks, compiler: Compiler, limits: Limits) -> Self {
        Self { sinks, compiler, limits, artifacts: Mutex::default() }
    }

    /// What lies in the place, ready to be bound; none if its files are those of `current`.
    pub(crate) async fn load(
        &self,
        id: &Arc<str>,
        place: &Place,
        current: Option<&Arc<str>>,
    ) -> Result<Option<Good>, LoadError> {
        if let Some(problem) = &place.problem {
            return Err(LoadError::Refused(problem.clone()));
        }
        let files = read(place).await?;
        let digest = files.digest();
        if current.is_some_and(|current| **current == *digest) {
            return Ok(None);
        }
        let component = files.component.clone();
        let inspection = blocking(move || inspect(&component)).await??;
        let manifest = match &files.manifest {
            Some(text) => {
                Some(Manifest::parse(text).map_err(|error| in_file(place.manifest.as_deref(), &error))?)
            }
            None => inspection.manifest.clone(),
        };
        let said = |error: DocumentError| in_file(place.installation.as_deref(), &error);
        let file = match &files.installation {
            Some(text) => InstallationFile::parse(text).map_err(said)?,
            None => InstallationFile::default(),
        };
        let events: Vec<_> = inspection.events.iter().map(|event| event.0).collect();
        let plans = file.bindings(&events, place.owner, manifest.as_ref()).map_err(said)?;
        let grants = grants(&inspection, manifest.as_ref(), file.grants())?;
        if let Some(plan) = plans.iter().find(|plan| plan.event.shows_credentials())
            && !grants.contains(&Capability::Credentials)
        {
            let sentence = format!(
                "{} is shown passwords, which the operator has not granted: grants = [\"credentials\"]",
                plan.event
            );
            return Err(LoadError::Refused(sentence));
        }
        let installation = Installation {
            id: Arc::clone(id),
            tenant: place.tenant.clone(),
            settings: file.settings(manifest.as_ref()).map_err(said)?.into(),
            grants,
            limits: file.limits(&self.limits).map_err(said)?,
            artifact: self.artifact(&inspection.digest, files.component).await?,
            command_verbs: Verbs::Every,
            reply_verbs: Verbs::Every,
            response_verbs: Verbs::Every,
            mechanisms: Box::default(),
            ages: Box::default(),
        };
        let installation = Arc::new(self.tried(installation).await?);
        let bindings = plans.into_iter().map(|plan| Binding {
            id: format!("{id}/{}", plan.event).into(),
            installation: Arc::clone(&installation),
            event: plan.event,
            tier: plan.tier,
            priority: plan.priority,
            rule: plan.rule.map(Arc::new),
            on_fault: plan.on_fault,
        });
        let version = manifest.map(|manifest| manifest.version);
        Ok(Some(Good {
            files: digest.into(),
            digest: inspection.digest.into(),
            version,
            bindings: bindings.collect(),
        }))
    }

    /// Compiled code is shared between installations: it holds no data of anyone.
    async fn artifact(&self, digest: &str, component: Bytes) -> Result<Arc<Artifact>, LoadError> {
        let mut artifacts = self.artifacts.lock().await;
        if let Some(artifact) = artifacts.get(digest).and_then(Weak::upgrade) {
            return Ok(artifact);
        }
        let artifact = Arc::new(self.compiler.compile(component).await?);
        artifacts.retain(|_, artifact| artifact.strong_count() > 0);
        artifacts.insert(digest.to_owned(), Arc::downgrade(&artifact));
        Ok(artifact)
    }

    async fn tried(&self, installation: Installation) -> Result<Installation, LoadError> {
        let installation = Arc::new(installation);
        let trial = self.sinks.trial(&installation).await;
        let trial = trial.map_err(|error| match &error {
            TrialError::Fault { fault, .. } if fault.kind == FaultKind::NoPermit => {
                LoadError::Busy(error.to_string())
            }
            _ => LoadError::Refused(one_line(&error.to_string())),
        })?;
        let kept = || LoadError::Refused("its trial has not ended".to_owned());
        let mut installation = Arc::into_inner(installation).ok_or_else(kept)?;
        installation.command_verbs = trial.command_verbs;
        installation.reply_verbs = trial.reply_verbs;
        installation.response_verbs = trial.response_verbs;
        installation.mechanisms = trial.mechanisms;
        installation.ages = trial.ages;
        Ok(installation)
    }
}

impl Files {
    /// Of all files together: the operator's word is as much part of a version as the code.
    fn digest(&self) -> String {
        let text =
            |text: &Option<String>| text.as_ref().map(|text| digest(text.as_bytes())).unwrap_or_default();
        let all = [digest(&self.component), text(&self.manifest), text(&self.installation)];
        digest(all.join(" ").as_bytes())
    }
}

/// What the manifest asks and the operator grants; all that the component imports must be among it.
fn grants(
    inspection: &Inspection,
    manifest: Option<&Manifest>,
    granted: &BTreeSet<Capability>,
) -> Result<BTreeSet<Capability>, LoadError> {
    let imported: BTreeSet<Capability> = inspection.capabilities.iter().copied().collect();
    // A sink without a manifest asks for what it imports, and for what its operator says that it needs.
    let is_grant = |capability: &&Capability| capability.kind() == CapabilityKind::Grant;
    let unsaid = imported.iter().chain(granted.iter().filter(is_grant)).copied().collect();
    let asked = manifest.map_or(&unsaid, |manifest| &manifest.capabilities);
    if let Some(missing) = asked.union(granted).find(|capability| capability.served() == Served::NotYet) {
        let sentence = format!("the capability {missing} is not served by this version of the host yet");
        return Err(LoadError::Refused(sentence));
    }
    let effective: BTreeSet<_> = asked.intersection(granted).copied().collect();
    match imported.difference(&effective).next() {
        Some(missing) if asked.contains(missing) => {
            let sentence =
                format!("it imports {missing}, which the operator has not granted: grants = [\"{missing}\"]");
            Err(LoadError::Refused(sentence))
        }
        Some(missing) => {
            Err(LoadError::Refused(format!("it imports {missing}, which its manifest does not ask for")))
        }
        None => Ok(effective),
    }
}

async fn read(place: &Place) -> Result<Files, LoadError> {
    let place = place.clone();
    blocking(move || {
        let text = |path: &Option<std::path::PathBuf>| match path {
            Some(path) => read_text(path).map(Some),
            None => Ok(None),
        };
        Ok(Files {
            component: read_whole(&place.component, COMPONENT_BYTES_MAX)?.into(),
            manifest: text(&place.manifest)?,
            installation: text(&place.installation)?,
        })
    })
    .await?
}

fn read_text(path: &Path) -> Result<String, LoadError> {
    let bytes = read_whole(path, DOCUMENT_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| LoadError::Refused(format!("{} is not UTF-8", name(path))))
}

/// The file as it lies there; one that changes while it is read is not complete.
fn read_whole(path: &Path, bytes_max: usize) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Unreadable(format!("{}: {error}", name(path)));
    let before = path.metadata().map_err(unreadable)?;
    if usize::try_from(before.len()).map_or(true, |size| size > bytes_max) {
        let sentence = format!("{} has {} bytes, {bytes_max} are allowed", name(path), before.len());
        return Err(LoadError::Refused(sentence));
    }
    // One byte more than allowed is enough to see that it grew.
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    let after = path.metadata().map_err(unreadable)?;
    let is_same = Stamp::of(&before) == Stamp::of(&after) && usize::try_from(after.len()) == Ok(bytes.len());
    if is_same {
        Ok(bytes)
    } else {
        Err(LoadError::Incomplete(format!("{} is still being written", name(path))))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LoadError::Unreadable(error.to_string()))
}

fn in_file(path: Option<&Path>, error: &DocumentError) -> LoadError {
    LoadError::Refused(format!("{}: {error}", path.map(name).unwrap_or_default()))
}

/// The file's name: where the folders lie is nobody's business.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
