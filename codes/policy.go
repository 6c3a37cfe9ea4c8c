package codes

import "time"

// Policy is what the operator chose for a request: what codes are like, and
// the limits that hold for it.
type Policy struct {
	CodeLength int           // digits, 1 to MaxCodeLength
	Lifetime   time.Duration // of an entry, whole seconds
	Notice     time.Duration // how long after its end an id is reported as expired, once
	Attempts   int64         // wrong codes allowed per entry
	Message    Template
	OrgName    string
	Limits     Limits
}

// Numbers says which recipients get a message.
type Numbers struct {
	Allowed Recipients

	Test      TestRecipients // allowed whatever Allowed says
	TestUntil time.Time      // when they become numbers like any other; zero is never
}

// testCode returns the fixed code of a number that has one now.
func (n Numbers) testCode(to Phone) (Code, bool) {
	code, found := n.Test.codes[to]
	return code, found && (n.TestUntil.IsZero() || time.Now().Before(n.TestUntil))
}
