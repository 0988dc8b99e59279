//! Rules over a session that a test makes up.

use std::net::IpAddr;

use super::{RULE_BYTES_MAX, RULE_CONDITIONS_MAX, Rule};
use crate::event::EventKind;
use crate::known::Answer::{self, No, Yes};
use crate::known::{AcceptsAddress, CommandKnown, Direction, Known, PathKnown};

/// Nothing is known until a test says so.
#[derive(Default)]
struct Scene {
    tenant: Option<&'static str>,
    listener: Option<&'static str>,
    remote: Option<&'static str>,
    greeting_name: Option<&'static str>,
    authenticated: Option<Answer>,
    tls: Option<Answer>,
    reverse_path: Option<PathKnown<'static>>,
    recipients: Vec<(&'static str, &'static str)>,
    size: Option<u64>,
    headers: Vec<(&'static str, &'static str)>,
    command: Option<CommandKnown<'static>>,
    ingress: Option<&'static str>,
    direction: Option<Direction>,
}

impl Known for Scene {
    fn tenant(&self) -> Option<&str> {
        self.tenant
    }
    fn listener(&self) -> Option<&str> {
        self.listener
    }
    fn remote(&self) -> Option<IpAddr> {
        self.remote.map(|address| address.parse().unwrap())
    }
    fn greeting_name(&self) -> Option<&str> {
        self.greeting_name
    }
    fn authenticated(&self) -> Option<Answer> {
        self.authenticated
    }
    fn tls(&self) -> Option<Answer> {
        self.tls
    }
    fn reverse_path(&self) -> Option<PathKnown<'_>> {
        self.reverse_path
    }
    fn any_recipient(&self, accepts: &mut AcceptsAddress<'_>) -> bool {
        self.recipients.iter().any(|(local, domain)| accepts(local, domain))
    }
    fn size(&self) -> Option<u64> {
        self.size
    }
    fn any_header(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        self.headers.iter().any(|(field, value)| field.eq_ignore_ascii_case(name) && accepts(value))
    }
    fn command(&self) -> Option<CommandKnown<'_>> {
        self.command
    }
    fn ingress(&self) -> Option<&str> {
        self.ingress
    }
    fn direction(&self) -> Option<Direction> {
        self.direction
    }
}

fn from(local: &'static str, domain: &'static str) -> Option<PathKnown<'static>> {
    Some(PathKnown::Mailbox { local, domain })
}

fn check(rule: &str, scene: &Scene, expected: Answer) {
    check_in(EventKind::EndOfData, rule, scene, expected);
}

fn check_in(event: EventKind, rule: &str, scene: &Scene, expected: Answer) {
    assert_eq!(Rule::parse(rule).unwrap().matches(event, scene), expected == Yes, "{rule}");
}

fn check_refused(rule: &str, column: usize, problem: &str) {
    let error = Rule::parse(rule).unwrap_err();
    assert_eq!(error.column, column, "{rule}: {error}");
    assert!(error.problem.contains(problem), "{rule}: {error}");
}

#[test]
fn the_old_example_holds_only_when_all_its_conditions_do() {
    let rule = "ehlo=*.x.com;mail from=user*;rcpt to=*@y.org";
    let scene = || Scene {
        greeting_name: Some("Mail.X.com"),
        reverse_path: from("User1", "z.net"),
        recipients: vec![("a", "other.org"), ("b", "Y.org")],
        ..Scene::default()
    };
    check(rule, &scene(), Yes);
    check(rule, &Scene { greeting_name: Some("x.com"), ..scene() }, No);
    check(rule, &Scene { reverse_path: from("auser", "z.net"), ..scene() }, No);
    check(rule, &Scene { recipients: vec![("a", "other.org")], ..scene() }, No);
}

#[test]
fn what_is_not_known_yet_does_not_match() {
    for rule in ["ehlo=*", "mail from=*", "rcpt to=*", "listener=*", "tenant=*", "cidr=0.0.0.0/0", "tls=no"] {
        check(rule, &Scene::default(), No);
    }
    for rule in
        ["authenticated=no", "size>=0", "header subject=*", "direction=inbound", "ingress=*", "verb=*"]
    {
        check(rule, &Scene::default(), No);
    }
}

#[test]
fn an_address_pattern_without_at_fits_the_local_part_or_the_whole() {
    let scene = Scene { reverse_path: from("person", "mail.microsoft.com"), ..Scene::default() };
    for rule in ["mail from=person", "mail from=per*", "mail from=*.microsoft.com", "MAIL FROM=p*soft*"] {
        check(rule, &scene, Yes);
    }
    for rule in ["mail from=microsoft.com", "mail from=perso", "mail from=*@microsoft.com", "mail from=<>"] {
        check(rule, &scene, No);
    }
    check("mail from=*@*microsoft.com", &scene, Yes);
}

#[test]
fn the_null_reverse_path_is_matched_by_its_brackets_and_by_the_star() {
    let scene = Scene { reverse_path: Some(PathKnown::Null), ..Scene::default() };
    check("mail from=<>", &scene, Yes);
    check("mail from=*", &scene, Yes);
    check("mail from=*@*", &scene, No);
    check("mail from=a*", &scene, No);
}

#[test]
fn each_new_field_matches_its_fact() {
    let scene = Scene {
        tenant: Some("acme"),
        listener: Some("mx1"),
        remote: Some("10.1.2.3"),
        authenticated: Some(No),
        tls: Some(Yes),
        size: Some(2 << 20),
        headers: vec![("Subject", "Your Invoice 7"), ("Subject", "second")],
        ingress: Some("smtp"),
        direction: Some(Direction::Inbound),
        ..Scene::default()
    };
    for rule in [
        "tenant=acme",
        "listener=inner,mx*",
        "cidr=192.0.2.0/24,10.0.0.0/8",
        "authenticated=no",
        "tls=YES",
        "size>=2M",
        "size<=2048K",
        "size>1",
        "size<1G",
        "header subject=*invoice*",
        "header Subject=second",
        "ingress=smtp,lmtp",
        "direction=inbound",
    ] {
        check(rule, &scene, Yes);
    }
    for rule in [
        "tenant=acm",
        "listener=inner",
        "cidr=10.2.0.0/16",
        "authenticated=yes",
        "tls=no",
        "size>2M",
        "size<2M",
        "header subject=invoice",
        "header from=*",
        "ingress=api",
        "direction=outbound",
    ] {
        check(rule, &scene, No);
    }
}

#[test]
fn on_a_command_the_old_fields_name_the_verbs_and_read_the_command_itself() {
    let command = |verb, argument| Scene {
        command: Some(CommandKnown { verb, argument }),
        greeting_name: Some("old.example"),
        reverse_path: from("before", "example.com"),
        ..Scene::default()
    };
    let event = EventKind::InboundCommand;
    check_in(event, "ehlo=*.x.com", &command("EHLO", "mail.x.com"), Yes);
    check_in(event, "ehlo=*.x.com", &command("HELO", "mail.x.com"), Yes);
    check_in(event, "ehlo=*", &command("NOOP", ""), No);
    check_in(event, "mail from=user*", &command("MAIL", "FROM:<user1@example.com> SIZE=5"), Yes);
    check_in(event, "mail from=user*", &command("MAIL", "from: <other@example.com>"), No);
    check_in(event, "mail from=before", &command("MAIL", "FROM:<user1@example.com>"), No);
    check_in(event, "mail from=*", &command("MAIL", "FROM:user1"), No);
    check_in(event, "mail from=<>", &command("MAIL", "FROM:<>"), Yes);
    check_in(event, "rcpt to=b@y.org", &command("RCPT", "TO:<@a.org,@c.org:b@y.org>"), Yes);
    check_in(event, "rcpt to=a>b@y.org", &command("RCPT", "TO:<\"a>b\"@y.org>"), Yes);
    check_in(event, "mail from=before;verb=RCPT", &command("RCPT", "TO:<b@y.org>"), Yes);
    check_in(event, "verb=X*", &command("XTAG", "1"), Yes);
    check_in(event, "verb=X*", &command("NOOP", ""), No);
    check_in(event, "tls=no", &Scene { tls: Some(No), ..command("NOOP", "") }, Yes);
}

#[test]
fn on_a_reply_the_old_fields_name_the_verbs_too() {
    let scene = |verb| Scene {
        command: Some(CommandKnown { verb, argument: "" }),
        reverse_path: from("user", "x.com"),
        ..Scene::default()
    };
    check_in(EventKind::Reply, "mail from=user*", &scene("MAIL"), Yes);
    check_in(EventKind::Reply, "mail from=user*", &scene("RCPT"), No);
    check_in(EventKind::Reply, "verb=.,CONNECT", &scene("."), Yes);
    check_in(EventKind::Rejected, "mail from=user*", &scene("RCPT"), Yes);
}

#[test]
fn a_rule_names_its_verbs() {
    let names = |rule: &str, verb: &str| Rule::parse(rule).unwrap().names_verb(verb);
    assert!(names("tls=yes", "ANY"));
    assert!(names("verb=XTAG,XFOO", "xfoo"));
    assert!(!names("verb=XTAG;mail from=*", "MAIL"));
    assert!(names("ehlo=*;mail from=*", "EHLO"));
    assert!(!names("ehlo=*;mail from=*", "RCPT"));
}

#[test]
fn an_error_names_the_column_and_what_was_expected() {
    check_refused("", 1, "missing");
    check_refused("ehlo=a;;tls=no", 8, "missing between semicolons");
    check_refused("ehlo", 1, "write field=pattern");
    check_refused("ehlo=*;  helo=x", 10, "`helo` is no field");
    check_refused("mail from=", 11, "the null reverse-path is written <>");
    check_refused("rcpt to=<>", 9, "never null");
    check_refused("rcpt to=@y.org", 9, "write * for any");
    check_refused("rcpt to=<a@b>", 9, "without angle brackets");
    check_refused("rcpt to=*@münchen.de", 9, "A-labels");
    check_refused("header ü=1; tls=perhaps", 1, "name of a header field");
    check_refused("header x=ü; tls=perhaps", 17, "neither yes nor no");
    check_refused("listener>a", 9, "takes `=`");
    check_refused("size=5", 5, "takes <, <=, >= or >");
    check_refused("size>=5T", 7, "is no size");
    check_refused("size>=99999999999999999999", 7, "is no size");
    check_refused("cidr=10.0.0.1/8", 6, "bits behind its prefix");
    check_refused("listener=a,,b", 10, "between commas");
    check_refused("ingress=ftp", 9, "matches no ingress");
    check_refused("direction=up", 11, "neither inbound nor outbound");
    check_refused("header =x", 1, "name of a header field");
}

#[test]
fn a_semicolon_at_the_end_is_let_pass() {
    check("tenant=a;", &Scene { tenant: Some("a"), ..Scene::default() }, Yes);
}

#[test]
fn a_rule_is_bounded_in_bytes_and_conditions() {
    let fits = vec!["tls=no"; RULE_CONDITIONS_MAX].join(";");
    assert!(Rule::parse(&fits).is_ok());
    check_refused(&format!("{fits};tls=no"), fits.len() + 2, "more than 32 conditions");
    let longest = format!("ehlo={}", "a".repeat(RULE_BYTES_MAX - 5));
    assert!(Rule::parse(&longest).is_ok());
    check_refused(&format!("{longest}a"), 1, "4096 are allowed");
}

#[test]
fn a_field_that_the_event_can_never_know_is_an_error() {
    let check_event = |rule: &str, event: EventKind| Rule::parse(rule).unwrap().check(event);
    let error = check_event("tenant=a;rcpt to=*@y.org", EventKind::Connect).unwrap_err();
    assert_eq!(error.column, 10);
    assert!(error.problem.contains("on-connect can never know `rcpt to`"), "{error}");
    assert!(error.problem.contains("listener"), "{error}");
    assert!(check_event("ehlo=*", EventKind::Connect).is_err());
    assert!(check_event("ehlo=*", EventKind::TransportSubmission).is_err());
    assert!(check_event("ehlo=*", EventKind::Helo).is_ok());
    assert!(check_event("rcpt to=*", EventKind::MailFrom).is_err());
    assert!(check_event("rcpt to=*", EventKind::RcptTo).is_ok());
    assert!(check_event("header subject=*", EventKind::RcptTo).is_err());
    assert!(check_event("header subject=*", EventKind::EndOfData).is_ok());
    assert!(check_event("verb=XTAG", EventKind::EndOfData).is_err());
    assert!(check_event("verb=XTAG", EventKind::InboundCommand).is_ok());
    assert!(check_event("authenticated=no", EventKind::Connect).is_err());
    assert!(check_event("cidr=10.0.0.0/8;listener=a", EventKind::PostCategorize).is_ok());
}
