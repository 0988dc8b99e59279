package sluice

import "strings"

// String is the address as it stands between < and >: the local-part is quoted where RFC 5321 §4.1.2 asks for it.
func (a Address) String() string {
	for _, atom := range strings.Split(a.Local, ".") {
		if atom == "" || strings.IndexFunc(atom, isNoAtomText) >= 0 {
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.Local)
			return `"` + quoted + `"@` + a.Domain
		}
	}
	return a.Local + "@" + a.Domain
}

// isNoAtomText is the opposite of RFC 5322 §3.2.3 atext with RFC 6531's non-ASCII.
func isNoAtomText(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > 127:
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// IsWithin tells whether the domain is this one, or one below it; ASCII case does not count.
func (a Address) IsWithin(domain string) bool {
	start := len(a.Domain) - len(domain)
	return start >= 0 && strings.EqualFold(a.Domain[start:], domain) && (start == 0 || a.Domain[start-1] == '.')
}

// AddressOf is the mailbox of a reverse-path; there is none in <>.
func AddressOf(path ReversePath) (Address, bool) {
	mailbox, ok := path.(Mailbox)
	return Address(mailbox), ok
}

// Is tells whether it is this parameter; ESMTP keywords have no case (RFC 5321 §2.4).
func (p Parameter) Is(keyword string) bool { return strings.EqualFold(p.Keyword, keyword) }
