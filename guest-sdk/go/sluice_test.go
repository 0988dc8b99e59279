package sluice

import "testing"

func TestAStatusAtTheStartOfTheTextIsTheStatus(t *testing.T) {
	for text, expected := range map[string]string{
		"5.7.1 No thanks": "550 5.7.1 No thanks",
		"5.3.4 Too big":   "552 5.3.4 Too big",
		"No":              "550 No",
		"5.7 No":          "550 5.7 No",
		"5.+7.1 No":       "550 5.+7.1 No",
		"5.7.1234 No":     "550 5.7.1234 No",
	} {
		if said := Permanent(text).Reply.String(); said != expected {
			t.Errorf("%q: %q", text, said)
		}
	}
	if said := Transient("4.2.2 Full").Because("room"); said.Reply.String() != "452 4.2.2 Full" || said.Reason != "room" {
		t.Error(said)
	}
	if reply := NewReply(552, "5.3.4 Too large\nTry a link"); len(reply.Text) != 2 || reply.Status == nil {
		t.Error(reply)
	}
}

func TestAClosingReplyIs421UnlessItsStatusIsPermanent(t *testing.T) {
	if Closing("Bye").String() != "421 Bye" || Closing("5.7.1 Never").String() != "554 5.7.1 Never" {
		t.Error(Closing("Bye"), Closing("5.7.1 Never"))
	}
}

func TestALocalPartIsQuotedWhereItMustBe(t *testing.T) {
	for local, expected := range map[string]string{
		"ann.lee+news": "ann.lee+news@example.org",
		"ann lee":      `"ann lee"@example.org`,
		`a"b\c`:        `"a\"b\\c"@example.org`,
		"a..b":         `"a..b"@example.org`,
	} {
		if said := (Address{Local: local, Domain: "example.org"}).String(); said != expected {
			t.Error(said)
		}
	}
}

func TestAnAddressIsWithinItsDomainAndThoseAbove(t *testing.T) {
	address := Address{Local: "ann", Domain: "mail.example.org"}
	if !address.IsWithin("Example.ORG") || !address.IsWithin("mail.example.org") || address.IsWithin("ample.org") {
		t.Error(address)
	}
}

func TestTheNullReversePathHasNoAddress(t *testing.T) {
	if _, ok := AddressOf(Null{}); ok {
		t.Error("<> has an address")
	}
	if address, ok := AddressOf(Mailbox{Local: "a", Domain: "b"}); !ok || address.Domain != "b" {
		t.Error(address)
	}
}
