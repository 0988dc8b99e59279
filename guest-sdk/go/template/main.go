// Refuses mail to the mailbox that nobody reads, and marks what it has seen.
package main

import (
	sluice "github.com/sluice-mail/sluice/guest-sdk/go"
	"github.com/sluice-mail/sluice/guest-sdk/go/messagedraft"
	"github.com/sluice-mail/sluice/guest-sdk/go/on/endofdata"
	"github.com/sluice-mail/sluice/guest-sdk/go/on/rcptto"
)

func init() {
	rcptto.Handle(check)
	endofdata.Handle(mark)
}

func check(recipient sluice.Address, _ []sluice.Parameter) (rcptto.Verdict, error) {
	if recipient.Local == "noreply" {
		return rcptto.Reject(sluice.Permanent("5.1.1 Nobody reads this mailbox")), nil
	}
	return rcptto.Continue{}, nil
}

func mark() (endofdata.Verdict, error) {
	return endofdata.Continue{}, messagedraft.AddHeader(messagedraft.PositionBottom, "X-Checked-By", "my-sink")
}

func main() {}
