//! `sluice spool verify`: what is there, and each place that is damaged.

use std::fmt::Write as _;

use anyhow::ensure;
use spool::{Checked, Damage, OpenError, Recovery, Settings, Survey};

use super::RESCUE;

/// How the answer is printed.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Lines for people.
    Text,
    /// One JSON object for programs.
    Json,
}

/// Reads a whole spool.
///
/// # Errors
/// When it can't be read, is damaged, or a server would not start on it.
pub(super) fn verify(settings: Settings, form: Form) -> anyhow::Result<()> {
    let (survey, fault) = match Survey::open(settings.clone()) {
        Ok(survey) => (survey, None),
        Err(
            fault @ (OpenError::Damaged { .. } | OpenError::Missing { .. } | OpenError::Misplaced { .. }),
        ) => (Survey::salvage(settings)?, Some(fault)),
        Err(other) => return Err(other.into()),
    };
    let checked = survey.check()?;
    let page = match form {
        Form::Text => text(survey.recovery(), &checked),
        Form::Json => json(survey.recovery(), &checked, fault.as_ref()),
    };
    super::super::print(&page)?;
    if let Some(fault) = fault {
        anyhow::bail!("a server would not start: {fault}. {RESCUE}");
    }
    let damaged = checked.damage.len();
    ensure!(damaged == 0, "{damaged} places are damaged. {RESCUE}");
    Ok(())
}

fn json(recovery: &Recovery, checked: &Checked, fault: Option<&OpenError>) -> String {
    let damage = |Damage { path, offset, what }: &Damage| serde_json::json!({ "file": path, "offset": offset, "what": what });
    let torn = recovery.torn.as_ref().map(|torn| {
        serde_json::json!({ "file": torn.path, "offset": torn.offset, "bytes": torn.bytes, "records": torn.records })
    });
    let page = serde_json::json!({
        "entries": recovery.entries,
        "segments": checked.segments,
        "records": checked.records,
        "bodies": checked.bodies,
        "orphans": recovery.orphans,
        "unknown": recovery.unknown,
        "torn": torn,
        "fault": fault.map(ToString::to_string),
        "damage": checked.damage.iter().map(damage).collect::<Vec<_>>(),
    });
    format!("{page}\n")
}

fn text(recovery: &Recovery, checked: &Checked) -> String {
    let Checked { segments, records, bodies, damage } = checked;
    let entries = recovery.entries;
    let mut page = format!("{entries} entries, {segments} segments, {records} records, {bodies} bodies\n");
    if recovery.orphans > 0 {
        let _ =
            writeln!(page, "{} bodies that no entry needs; the next start removes them", recovery.orphans);
    }
    for path in &recovery.unknown {
        let _ = writeln!(page, "{}: not a file of the spool", path.display());
    }
    if let Some(torn) = &recovery.torn {
        let (path, offset, bytes) = (torn.path.display(), torn.offset, torn.bytes);
        let _ = writeln!(
            page,
            "{path}: the last write was torn: {bytes} bytes from offset {offset} on, acknowledged to nobody; \
             the next start cuts them off"
        );
    }
    for damage in damage {
        let _ = writeln!(page, "{damage}");
    }
    page
}
