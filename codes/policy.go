package codes

import "time"

// Policy is what the operator chose for a request: the form of codes and
// messages, and the limits.
type Policy struct {
	Profile    string        // its name; empty for the default policy
	Callers    []string      // that may use it; nil for all
	CodeLength int           // digits, 1 to MaxCodeLength
	Lifetime   time.Duration // of an entry, whole seconds
	Notice     time.Duration // how long after its expiry a code is reported as expired, once
	Attempts   int64         // wrong codes allowed per entry
	Message    Template
	Messages   map[Locale]Template // in other languages
	OrgName    string
	From       Phone // sender of the messages; empty for the account's own number
	SameCode   bool  // a create sends the code of a live entry again; see Reservation
	Limits     Limits
}

// Numbers says which recipients get a message.
type Numbers struct {
	Allowed Recipients

	Test      TestRecipients // allowed whatever Allowed says
	TestUntil time.Time      // from then on they are numbers like any other; zero is never
}

// testCode returns the fixed code of a number, if it has one now.
func (n Numbers) testCode(to Phone) (Code, bool) {
	code, found := n.Test.codes[to]
	return code, found && (n.TestUntil.IsZero() || time.Now().Before(n.TestUntil))
}
