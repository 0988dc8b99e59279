//! Guests for tests of calls: core modules as text, made components of the contract.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use message::{Content, Draft};
use smtp::{Domain, Envelope, Mailbox, Recipient, RecipientId, Timestamp};
use tokio::time::Instant;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::access::Access;
use crate::binding::{Binding, Installation, OnFault, PRIORITY_DEFAULT, Settings, Tier, Verbs};
use crate::capability::Capability;
use crate::event::{Event, EventKind};
use crate::limits::{Budget, Limits, Overrides};
use crate::outside::{Clock, Domains, Outside};
use crate::registry::Snapshot;
use crate::sinks::Sinks;
use crate::state::{Frame, State};
use crate::subject::Subject;
use crate::verdict::{FaultKind, Outcome};

/// It is always the same moment, and acme owns acme.example.
#[derive(Debug)]
struct World;

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

impl Domains for World {
    fn owns(&self, tenant: &str, domain: &Domain) -> bool {
        domain.as_str() == format!("{tenant}.example")
    }
}

/// What of WASI tests import.
const WASI: [(&str, &str); 3] = [
    (
        "random.wit",
        "package wasi:random@0.2.6;
        interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    ),
    ("io.wit", "package wasi:io@0.2.6; interface streams { resource output-stream; }"),
    (
        "cli.wit",
        "package wasi:cli@0.2.6;
        interface stdout {
            use wasi:io/streams@0.2.6.{output-stream};
            get-stdout: func() -> output-stream;
        }",
    ),
];

/// A component that exports the event; `imports` are WIT items, `core` the inside of a core module. It has a memory, an
/// allocator that only grows, and `$verdict`, which writes a case without payload and returns where.
pub(crate) fn component(event: EventKind, imports: &str, core: &str) -> Vec<u8> {
    let world = format!("{imports} export sluice:sink/{}@0.1.0;", event.name());
    let module = format!(
        r#"(module
            {core}
            (memory (export "memory") 2)
            (global $heap (mut i32) (i32.const 65536))
            (func $verdict (param $case i32) (result i32)
                (i32.store8 (i32.const 1024) (local.get $case)) (i32.const 1024))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at)))"#
    );
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    for (file, text) in WASI {
        resolve.push_str(file, text).unwrap();
    }
    let guest =
        resolve.push_str("guest.wit", &format!("package test:guest; world guest {{ {world} }}")).unwrap();
    let world = resolve.select_world(&[guest], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// The event's `handle` without parameters, with this body.
pub(crate) fn handle(event: EventKind, body: &str) -> String {
    format!(r#"(func (export "sluice:sink/{}@0.1.0#handle") (result i32) {body})"#, event.name())
}

/// A component whose handler has this body and needs no import.
pub(crate) fn plain(event: EventKind, body: &str) -> Vec<u8> {
    component(event, "", &handle(event, body))
}

/// Cases of `gate.verdict`; `on-end-of-data` and the stages have them up to `DEFER` too.
pub(crate) mod case {
    pub(crate) const CONTINUE: &str = "(call $verdict (i32.const 0))";
    pub(crate) const DONE: &str = "(call $verdict (i32.const 1))";
    pub(crate) const DEFER: &str = "(call $verdict (i32.const 2))";
    pub(crate) const REJECT: &str = "(call $verdict (i32.const 3))";
}

/// Sinks bound to events of the tenant acme.
pub(crate) struct Stand {
    pub(crate) sinks: Sinks,
    bindings: Vec<Binding>,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::with(&Limits { concurrent_events_max: 4, ..Limits::default() })
    }

    pub(crate) fn with(limits: &Limits) -> Self {
        Self { sinks: Sinks::new(limits, Arc::new(World), Arc::new(World)).unwrap(), bindings: Vec::new() }
    }

    pub(crate) fn installation(&self, id: &str, component: &[u8]) -> Installation {
        Installation {
            id: id.into(),
            tenant: id
                .split_once('/')
                .map(|(owner, _)| owner)
                .filter(|owner| *owner != "operator")
                .map(Into::into),
            artifact: Arc::new(self.sinks.compile(component).unwrap()),
            settings: Settings::default(),
            grants: BTreeSet::<Capability>::new(),
            // A loaded machine must not make a test fail; what never ends says so itself.
            limits: Overrides { wall_clock: Some(Duration::from_secs(30)), ..Overrides::default() },
            command_verbs: Verbs::Every,
            reply_verbs: Verbs::Every,
            response_verbs: Verbs::Every,
            mechanisms: Box::default(),
            ages: Box::default(),
        }
    }

    /// Binds a component at the defaults, in the tier of its owner (`acme/name`, or `operator/name`).
    pub(crate) fn bind(&mut self, id: &str, event: EventKind, component: &[u8]) -> &mut Binding {
        let installation = self.installation(id, component);
        self.bind_installation(installation, event)
    }

    pub(crate) fn bind_installation(&mut self, installation: Installation, event: EventKind) -> &mut Binding {
        let tier = if installation.tenant.is_some() { Tier::Tenant } else { Tier::OperatorFirst };
        self.bindings.push(Binding {
            id: Arc::clone(&installation.id),
            installation: Arc::new(installation),
            event,
            tier,
            priority: PRIORITY_DEFAULT,
            rule: None,
            on_fault: OnFault::default_of(event),
        });
        self.bindings.last_mut().unwrap()
    }

    /// What a call of the event by acme's sink `limits` has at hand, for imports that are called without a guest.
    pub(crate) fn state(&self, event: EventKind, subject: Subject) -> State {
        let installation = self.installation("acme/limits", &plain(EventKind::Data, case::CONTINUE));
        state(Arc::new(installation), event, subject)
    }

    pub(crate) async fn fire(&self, event: Event, subject: &mut Subject) -> Outcome {
        let snapshot = Snapshot::new(self.bindings.clone()).unwrap();
        self.sinks.fire(&snapshot, event, subject).await
    }
}

pub(crate) fn subject() -> Subject {
    Subject::new("acme".into(), "01EVENT".into())
}

/// What a call of the installation has at hand.
pub(crate) fn state(installation: Arc<Installation>, event: EventKind, subject: Subject) -> State {
    let budget = Budget::of(event.class(), &installation.limits);
    let frame = Frame {
        event,
        access: Access::of(event),
        installation,
        outside: Arc::new(Outside { clock: Arc::new(World), domains: Arc::new(World) }),
        deadline: Instant::now() + budget.wall_clock,
        budget,
        deferral: None,
    };
    State::new(subject, frame)
}

/// About a short message to so many recipients of acme.
pub(crate) fn with_recipients(number: u32) -> Subject {
    let recipient =
        |id| Recipient::new(RecipientId(id), Mailbox::parse(&format!("r{id}@acme.example")).unwrap());
    let recipients = (0..number).map(recipient).collect();
    Subject {
        draft: Some(Draft::new(Content::new(Bytes::from_static(b"Subject: x\r\n\r\nbody\r\n")))),
        envelope: Some(Arc::new(Envelope { recipients, ..Envelope::default() })),
        ..subject()
    }
}

/// Which sinks were asked, in order.
pub(crate) fn asked(outcome: &Outcome) -> Vec<&str> {
    outcome.calls.iter().map(|call| &*call.binding).collect()
}

/// The faults of a round.
pub(crate) fn faults(outcome: &Outcome) -> Vec<FaultKind> {
    outcome.calls.iter().filter_map(|call| Some(call.fault.as_ref()?.kind)).collect()
}
