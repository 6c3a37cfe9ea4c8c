// Package codes makes one-time codes, sends them by SMS and checks them. It is
// the domain: it knows no database, no carrier and no wire format, and its
// interfaces [Store], [Limiter], [Claims], [Receipts] and [Sender] say what it
// needs of them. Package codestest holds this specification as code.
//
// # Entries
//
// An entry is one live code under an auth_id, a name that the application
// chooses. It ends when its code was entered, when its attempts are used up,
// when its lifetime is over, when it is cancelled or when a new code is made
// for the same auth_id: that one replaces code, attempts and lifetime.
//
// Every one of the 10^n codes of n digits is equally likely. Leading zeros do
// not count when codes are compared, on either side: people and spreadsheets
// drop them, and 0042 and 42 are still one code of 10,000.
//
// # Outcomes
//
// A check has one of four answers, and an error only if it could not be made:
//
//	Right    the code is right; the entry is gone
//	Wrong    the code is wrong and so many attempts are left; at 0 the entry is gone
//	Expired  the lifetime is over; told once, within the time of notice
//	Unknown  no entry: used, used up, cancelled, its expiry told or forgotten, or never made
//
// A create ends in one of these ways:
//
//	no error                the carrier took the message
//	ErrRecipientNotAllowed  nothing was done
//	*LimitError             nothing was done; an entry of the same auth_id lives on
//	ErrUnavailable          nothing was sent, no new entry stays; try again later
//	ErrRejected             the carrier refused for good; no new entry stays
//	ErrUnconfirmed          the SMS may arrive: the entry stays, and nothing is sent again
//
// # Exactness
//
// These hold for any number of replicas and parallel calls:
//
//   - An entry answers Right at most once and compares at most so many wrong
//     codes as it has attempts.
//   - An operation that is repeated because its reply was lost takes effect at
//     most once; one that runs only after its caller was told of its failure
//     has no effect.
//   - No limit lets more messages pass than it says. A limit that cannot be
//     read lets nothing through.
//   - A create that fails takes back its own entry, never a newer one's, and
//     its places in the limits. What cannot be taken back runs out by itself.
//   - A caller that hangs up changes nothing: no guess is free.
//   - A request with an idempotency key that came before gets the answer of
//     the first and has no effect of its own; see [Once].
//
// # Limits
//
// [Limits] bound what an attacker gets. A window such as 5/10m allows five
// events in any ten minutes, aligned or not. Sends bound the codes per number,
// Guesses the wrong codes per number over all its entries, whatever their
// auth_id: when they are reached no new code is made for the number, and a
// right code clears nothing. Total bounds what the service spends, Rate what
// the carrier accepts in a second. A request that a limit refuses takes no
// place in any.
//
// # Delivery receipts
//
// A carrier that took a message may say later what became of it, in any
// order, more than once, and before its own answer to the message has come.
// [Service.Receive] takes what it says and [Service.Progress] tells how an
// entry and its message stand, without touching either. A message counts as
// delivered once, and as failed once, over all replicas; one that its network
// took and its phone then rejected is both, and stands as failed. A failed
// message gives its place under Sends back, so that the person may ask again,
// but no more of them for a number than Sends allow, and none under Total.
// Whether a code is right never depends on a receipt.
//
// # Test recipients
//
// A number in [Rules].TestRecipients gets a fixed code and no message, until
// TestsUntil. All else is as for other numbers, the limits on sends and wrong
// codes of its number too; Total, Rate and Recipients, which are about
// messages, do not concern it.
//
// # At rest
//
// Auth_ids, codes, numbers and the carrier's ids of messages are kept as HMACs
// under the service's secret only, cut to 80 bits, each kind apart from the
// others and a code bound to its auth_id. Who reads the store learns none of
// them without the secret, and cannot move a code from one entry to another.
// With a previous secret given, entries that were made under it are still
// checked, with the attempts they have left; the counts of a number begin
// afresh under the new one.
//
// In memory they have types that print masked: [ID], [Phone], [Code], [Text].
//
// # Guessing
//
// What the settings are worth against someone who guesses, for one entry and,
// by [MaxGuessesPerDay] and [Odds], for one number in a day at most, under the
// default limits (5/10m and 20/24h sends, 20/24h wrong codes):
//
//	             digits  lifetime  attempts  one entry  codes a day  in a day
//	defaults     4       3600 s    3         3.0e-04    80           8.0e-03
//	recommended  6       600 s     5         5.0e-06    45           4.5e-05
//
// The defaults are those of the service that this one replaces. NIST SP
// 800-63B-4 asks for at least six digits and at most ten minutes.
package codes
