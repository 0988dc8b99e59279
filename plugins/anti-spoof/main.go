// Stops mail from outside that is written under our own domains or our people's names.
package main

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	sluice "github.com/sluice-mail/sluice/guest-sdk/go"
	"github.com/sluice-mail/sluice/guest-sdk/go/message"
	"github.com/sluice-mail/sluice/guest-sdk/go/messagedraft"
	"github.com/sluice-mail/sluice/guest-sdk/go/on/endofdata"
	"github.com/sluice-mail/sluice/guest-sdk/go/on/selftest"
	"github.com/sluice-mail/sluice/guest-sdk/go/session"
	"github.com/sluice-mail/sluice/guest-sdk/go/settings"
)

// field is ours alone: filters behind us trust it.
const field = "X-Spoof"

// Settings is what the operator chooses; sink.toml says what each means.
type Settings struct {
	OwnDomains []string `json:"own-domains"`
	Names      []string `json:"names"`
	Answer     string   `json:"answer"`
}

func init() {
	endofdata.Handle(judge)
	selftest.Handle(isConfigured)
}

func main() {}

// isConfigured keeps a version from traffic whose settings it can't obey.
func isConfigured() error {
	var chosen Settings
	if err := settings.Load(&chosen); err != nil {
		return err
	}
	if !slices.Contains([]string{"quarantine", "reject", "mark"}, chosen.Answer) {
		return errors.New("answer: quarantine, reject or mark was expected, not " + chosen.Answer)
	}
	return nil
}

func judge() (endofdata.Verdict, error) {
	var chosen Settings
	if err := settings.Load(&chosen); err != nil {
		return nil, err
	}
	if _, err := messagedraft.RemoveHeaders(field); err != nil {
		return nil, err
	}
	if _, inside := session.Authenticated(); inside {
		return nil, nil
	}
	for _, writer := range message.HeaderMailboxes("From") {
		if why := chosen.spoofs(writer, message.AuthResults()); why != "" {
			return chosen.answer(why)
		}
	}
	return nil, nil
}

// spoofs says why the writer is not who it says it is; nothing if all is well.
func (s Settings) spoofs(writer message.Mailbox, results []sluice.AuthResult) string {
	name := ""
	if writer.Name != nil {
		name = *writer.Name
	}
	switch {
	case s.isOwn(writer.Address) && !passed(results, writer.Address.Domain):
		return "own-domain"
	case s.isOwn(writer.Address):
		return ""
	case s.namesOwnAddress(name):
		return "address-as-name"
	case slices.ContainsFunc(s.Names, func(ours string) bool { return sameName(ours, name) }):
		return "name"
	}
	return ""
}

func (s Settings) isOwn(address sluice.Address) bool {
	return slices.ContainsFunc(s.OwnDomains, address.IsWithin)
}

// namesOwnAddress finds an address of ours among the words of a name.
func (s Settings) namesOwnAddress(name string) bool {
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`<>()[]",;:'`, r) }) {
		if local, domain, ok := strings.Cut(word, "@"); ok && s.isOwn(sluice.Address{Local: local, Domain: domain}) {
			return true
		}
	}
	return false
}

// passed tells whether DMARC passed for the domain.
func passed(results []sluice.AuthResult, domain string) bool {
	return slices.ContainsFunc(results, func(result sluice.AuthResult) bool {
		return result.Method == "dmarc" && result.Outcome == "pass" &&
			result.Domain != nil && strings.EqualFold(*result.Domain, domain)
	})
}

// sameName compares the words of two names, whatever their case, order and what stands between them.
func sameName(one, other string) bool {
	first, second := words(one), words(other)
	return len(first) > 0 && slices.Equal(first, second)
}

func words(name string) []string {
	isBetween := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	found := strings.FieldsFunc(strings.ToLower(name), isBetween)
	slices.Sort(found)
	return found
}

func (s Settings) answer(why string) (endofdata.Verdict, error) {
	switch s.Answer {
	case "reject":
		return endofdata.Reject(sluice.Permanent("5.7.1 This is not who it says it is from").Because("spoof")), nil
	case "mark":
		return nil, messagedraft.AddHeader(messagedraft.PositionBottom, field, why)
	}
	return endofdata.Quarantine("spoof"), nil
}
