package sluice

import (
	"strconv"
	"strings"
)

// reasonDefault is what log and metrics show for a refusal whose author named no reason.
const reasonDefault = "policy"

// ParseStatus reads "5.7.1" (RFC 3463 §2).
func ParseStatus(text string) (EnhancedStatus, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || (parts[0] != "2" && parts[0] != "4" && parts[0] != "5") {
		return EnhancedStatus{}, false
	}
	var numbers [3]uint16
	for place, part := range parts {
		number, err := strconv.ParseUint(part, 10, 16)
		if err != nil || len(part) > 3 {
			return EnhancedStatus{}, false
		}
		numbers[place] = uint16(number)
	}
	return EnhancedStatus{Class: uint8(numbers[0]), Subject: numbers[1], Detail: numbers[2]}, true
}

// String is "5.7.1".
func (s EnhancedStatus) String() string {
	return decimal(uint16(s.Class)) + "." + decimal(s.Subject) + "." + decimal(s.Detail)
}

// concernsRoom tells mailbox full, system full and message too big (RFC 3463 X.2.2, X.2.3, X.3.1, X.3.4).
func (s EnhancedStatus) concernsRoom() bool {
	return (s.Subject == 2 && (s.Detail == 2 || s.Detail == 3)) || (s.Subject == 3 && (s.Detail == 1 || s.Detail == 4))
}

// NewReply is a reply with this code. The text may start with the enhanced status, and has a line for each line of the
// reply: NewReply(552, "5.3.4 Too large\nTry a link instead").
func NewReply(code uint16, text string) Reply {
	reply := Reply{Code: code}
	if first, rest, found := strings.Cut(text, " "); found {
		if status, ok := ParseStatus(first); ok {
			reply.Status, text = &status, rest
		}
	}
	reply.Text = strings.Split(text, "\n")
	return reply
}

// String is the reply as one line.
func (r Reply) String() string {
	status := ""
	if r.Status != nil {
		status = r.Status.String() + " "
	}
	return decimal(r.Code) + " " + status + strings.Join(r.Text, " ")
}

// Permanent refuses for good: 550, or 552 where the status speaks of size or storage.
func Permanent(text string) Refusal { return refusal(text, 550, 552) }

// Transient refuses for now: 451, or 452 where the status speaks of size or storage.
func Transient(text string) Refusal { return refusal(text, 451, 452) }

func refusal(text string, code, codeOfRoom uint16) Refusal {
	reply := NewReply(code, text)
	if reply.Status != nil && reply.Status.concernsRoom() {
		reply.Code = codeOfRoom
	}
	return Refusal{Reply: &reply, Reason: reasonDefault}
}

// Because is the refusal with a word of the sink's own for log and metrics; it is never sent.
func (r Refusal) Because(reason string) Refusal {
	r.Reason = reason
	return r
}

// Closing is the last reply of a session: 554 for a status of class 5, else 421.
func Closing(text string) *Reply {
	reply := NewReply(421, text)
	if reply.Status != nil && reply.Status.Class == 5 {
		reply.Code = 554
	}
	return &reply
}

// decimal spares sinks the package fmt, which is as large as all the rest of a small one.
func decimal(number uint16) string { return strconv.FormatUint(uint64(number), 10) }
