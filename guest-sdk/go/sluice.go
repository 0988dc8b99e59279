// Package sluice is what event sinks for the Sluice mail server are written with.
//
// A sink is a program without a main loop: it says which function answers an event, and the server calls that. Importing
// the package of an event (on/rcptto, on/endofdata) subscribes to it; what the host answers has a package for each of the
// contract's interfaces (message, session, envelope, messagedraft). This package holds the values that they all speak of.
//
//	func init() {
//		rcptto.Handle(func(recipient sluice.Address, _ []sluice.Parameter) (rcptto.Verdict, error) {
//			if recipient.Local == "noreply" {
//				return rcptto.Reject(sluice.Permanent("5.1.1 Nobody reads this mailbox")), nil
//			}
//			return rcptto.Continue{}, nil
//		})
//	}
//
// Each call runs in a fresh instance: a variable of a package is as it was at the start, every time. What shall last goes
// into the variables of session and message. Edits are staged, and thrown away if the call faults.
package sluice
