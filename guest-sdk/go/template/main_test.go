package main

import (
	"testing"

	sluice "github.com/sluice-mail/sluice/guest-sdk/go"
	"github.com/sluice-mail/sluice/guest-sdk/go/messagedraft"
	"github.com/sluice-mail/sluice/guest-sdk/go/on/rcptto"
)

func TestNobodyReadsNoreply(t *testing.T) {
	refused, _ := check(sluice.Address{Local: "noreply", Domain: "example.org"}, nil)
	if _, ok := refused.(rcptto.Reject); !ok {
		t.Errorf("noreply: %v", refused)
	}
	taken, _ := check(sluice.Address{Local: "ann", Domain: "example.org"}, nil)
	if taken != (rcptto.Continue{}) {
		t.Errorf("ann: %v", taken)
	}
}

func TestWhatWasSeenIsMarked(t *testing.T) {
	var added string
	messagedraft.Fake.AddHeader = func(_ messagedraft.Position, name, value string) error {
		added = name + ": " + value
		return nil
	}
	if _, err := mark(); err != nil || added != "X-Checked-By: my-sink" {
		t.Error(added, err)
	}
}
