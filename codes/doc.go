// Package codes verifies phone numbers: it makes one-time codes, sends them by
// SMS and checks what people enter. [Service] has one method for each request
// that an application makes:
//
//   - Create makes a code for an auth_id and sends it.
//   - Check compares what a person entered with the code.
//   - Cancel drops the code.
//   - Status reports the state of the code and its message.
//   - Receive takes a delivery receipt of the carrier.
//
// The package is the domain. It knows no database, no carrier and no wire
// format. The interfaces [Store] and [Sender] state what it requires of them,
// and [Observer] receives events for metrics. Package codestest holds
// these requirements as tests and as a model.
//
// # Entries
//
// An entry is one live code under an auth_id, a name that the application
// chooses. It ends when its code is entered, when its attempts are used up, when
// it expires, when it is cancelled, or when a newer code is sent for the same
// auth_id. The newer entry has its own code, attempts and lifetime.
//
// Each of the 10^n codes of n digits is equally likely. Comparisons ignore
// leading zeros on both sides, because people and spreadsheets drop them: 0042
// and 42 are the same one of 10,000 codes.
//
// # Outcomes
//
// A check returns an error only if it could not be made. Otherwise its
// [Outcome] has one of these statuses:
//
//	Right    the code is right; the entry is gone
//	Wrong    the code is wrong; with 0 attempts left the entry is gone
//	Expired  the code has expired; reported once, within Policy.Notice
//	Unknown  no entry: never made, used, used up, cancelled, reported as expired, or past its Notice
//
// A create ends in one of these ways. The last column names the entry that is
// valid afterwards:
//
//	no error                the carrier accepted the message           the new one
//	ErrUnconfirmed          the carrier may have accepted it           the new one; nothing is sent again
//	*ArgumentError          there is no such profile                   the previous one, unchanged
//	ErrProfileNotAllowed    the caller may not use the profile         the previous one, unchanged
//	ErrRecipientNotAllowed  the number is excluded                     the previous one, unchanged
//	*LimitError             a limit is reached                         the previous one, unchanged
//	ErrUnavailable          store or carrier is unavailable            the previous one, unchanged
//	ErrRejected             the carrier rejected this message          the previous one, unchanged
//	ErrSenderRefused        the carrier refused account or sender      the previous one, unchanged
//
// Requests with an [IdempotencyKey] can also fail with [ErrKeyReused] or
// [InProgressError]. Then nothing was done.
//
// # Exactness
//
// These hold for any number of replicas and parallel calls:
//
//   - An entry answers Right at most once. It compares at most as many wrong
//     codes as it has attempts.
//   - A call that is repeated because its reply was lost takes effect at most
//     once. A call that a stalled store runs only after its deadline has no
//     effect.
//   - No limit lets more messages pass than it says. A limit that cannot be read
//     lets nothing pass.
//   - A create that certainly sent nothing changes nothing. The previous entry is
//     restored with the code, the attempts and the expiry that it had, and the
//     message counts under no limit. If a right code or a Cancel ended the new
//     entry in between, nothing is restored.
//   - A new entry replaces the previous one at its turn to send, and its lifetime
//     begins then.
//   - When creates of one auth_id overlap, one that fails removes its own entry
//     only. When all are answered, the valid entry is the one stored last among
//     those whose message may have gone out, or else the one before all of them.
//     The store keeps at least [MaxPredecessors] entries for this.
//   - A caller that hangs up changes nothing: no guess is free.
//   - A request that repeats an idempotency key of the last [KeepAnswers] gets
//     the first answer and has no effect of its own. Refusals without effect are
//     not kept.
//
// If a create must be undone while the store cannot be reached, the service
// retries for ten minutes. If the process dies first, the entry and its counts
// expire.
//
// # Deadline
//
// A create has one deadline: Pace.MaxWait plus SendTimeout after it arrived. Past
// it nothing is stored and nothing is sent, even if the process was paused in
// between. All waiting together takes at most MaxWait: for a turn to send, for a
// carrier that asked to come back later, and between attempts to connect.
//
// The service sends a message again only if the carrier certainly did not accept
// it. If the carrier was busy, or the message missed its turn, the service
// reserves a new turn first.
//
// # Limits
//
// [Limits] bound what an attacker gains. A [Window] such as 5/10m allows five
// events in any ten minutes, not only in aligned ones.
//
//   - Sends bounds the messages per number.
//   - Guesses bounds the wrong codes per number over all its entries, whatever
//     their auth_id. Once it is reached, no new code is made for the number. A
//     right code does not reset it.
//   - Total bounds the messages of the whole service, and so its cost.
//   - Callers, Clients and Profile bound the messages of one caller, one client of
//     a caller, and one profile.
//   - Unverified bounds the messages whose code is not entered, a sign of fraud: per
//     exchange, per area code and in all.
//   - Pace bounds the messages per second, to what the carrier accepts.
//
// A request that one limit refuses counts under none of them. If several are
// reached, the [LimitError] names the one that clears last.
//
// # Delivery receipts
//
// A carrier that accepted a message may report later what became of it. Its reports
// come in any order, more than once, and even before it answers the request to
// send. [Service.Receive] takes them, and [Service.Status] returns the state of an
// entry and its message.
//
// A message counts once as delivered and once as failed, over all replicas. A
// message that its network accepted and its phone then rejected is both; its stage
// is StageFailed. A failed message no longer counts under Sends and Unverified, so
// that the person can ask again; it still counts under the other limits. In any
// window at most as many messages of a number are refunded as Sends allows. Receipts
// never change whether a code is right.
//
// # Test recipients
//
// The numbers in [Numbers].Test have fixed codes and get no messages, until
// TestUntil. Sends and Guesses apply to them as to other numbers. Allowed and all
// other limits concern messages, so they do not apply.
//
// # At rest
//
// The store holds auth_ids, codes, numbers, clients, addresses and the carrier's
// message ids only as HMACs under the service's secret, truncated to 80 bits (an
// exchange to 48). Each kind has its own domain, and a code is bound to its auth_id.
// Without the secret, a reader of the store learns none of them and cannot move a
// code to another entry. Area codes and the names of callers are no secrets, and
// are stored as they are.
//
// While a secret is being replaced, entries made under the previous one are still
// checked, with the attempts that they have left. The counts of a number restart
// from zero under the new secret.
//
// In memory, [ID], [Phone], [Code] and [Text] print masked.
//
// # Guessing
//
// The table shows the chance of guessing a code: of one entry, and of one number
// within a day at most, by [MaxGuessesPerDay] and [Odds]. The limits are the
// defaults (5/10m and 20/24h sends, 20/24h wrong codes):
//
//	             digits  lifetime  attempts  one entry  codes a day  in a day
//	defaults     4       3600 s    3         3.0e-04    80           8.0e-03
//	recommended  6       600 s     5         5.0e-06    45           4.5e-05
//
// The defaults are those of the service that this one replaces. NIST SP
// 800-63B-4 asks for at least six digits and at most ten minutes.
package codes
