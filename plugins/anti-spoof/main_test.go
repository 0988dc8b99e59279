package main

import (
	"testing"

	sluice "github.com/sluice-mail/sluice/guest-sdk/go"
	"github.com/sluice-mail/sluice/guest-sdk/go/message"
)

var ours = Settings{OwnDomains: []string{"b.example"}, Names: []string{"Ann Lee"}}

func check(t *testing.T, name, local, domain, expected string) {
	t.Helper()
	writer := message.Mailbox{Name: &name, Address: sluice.Address{Local: local, Domain: domain}}
	if why := ours.spoofs(writer, nil); why != expected {
		t.Errorf("%s <%s@%s>: %q", name, local, domain, why)
	}
}

func TestWhoWritesUnderOurNamesIsFound(t *testing.T) {
	check(t, "Ann", "ann", "b.example", "own-domain")
	check(t, "Ann", "ann", "mail.B.example", "own-domain")
	check(t, "ceo@b.example", "x", "evil.example", "address-as-name")
	check(t, "The boss (ceo@mail.b.example)", "x", "evil.example", "address-as-name")
	check(t, "LEE, Ann", "x", "evil.example", "name")
	check(t, "ann.lee", "x", "evil.example", "name")
}

func TestOthersAreLeftAlone(t *testing.T) {
	check(t, "Ann Leeman", "x", "evil.example", "")
	check(t, "Bob", "bob", "ab.example", "")
	check(t, "bob@ab.example", "bob", "ab.example", "")
	check(t, "", "x", "evil.example", "")
}

func TestOurDomainsAreOursWhereDmarcPassed(t *testing.T) {
	domain := "b.example"
	writer := message.Mailbox{Address: sluice.Address{Local: "ann", Domain: domain}}
	result := sluice.AuthResult{Method: "dmarc", Outcome: "pass", Domain: &domain}
	if why := ours.spoofs(writer, []sluice.AuthResult{result}); why != "" {
		t.Error(why)
	}
	result.Outcome = "fail"
	if why := ours.spoofs(writer, []sluice.AuthResult{result}); why != "own-domain" {
		t.Error(why)
	}
}
