package redisstore

import (
	"encoding/base64"

	"github.com/flowroute/sms-verification/codes"
)

// keys makes the names of all keys: the prefix, a letter for the content, and in
// braces the hash tag, by which a cluster chooses the slot. With the default prefix
// most names are 22 bytes long: the longest that Redis stores in 24 bytes.
//
// If an older replica would misread a key's new content, the key gets a new letter.
//
// Scripts also make the names of guesses, unverified and entered.
type keys struct{ prefix string }

func (k keys) of(kind byte, d codes.Digest) string {
	var space [64]byte // on the stack, long enough for the usual prefix
	return string(k.append(space[:0], kind, d[:], nil))
}

// append appends the key of a tag and the rest of its name.
func (k keys) append(to []byte, kind byte, tag, rest []byte) []byte {
	to = append(to, k.prefix...)
	to = append(to, kind, '{')
	to = base64.RawURLEncoding.AppendEncode(to, tag)
	to = append(to, '}')
	return base64.RawURLEncoding.AppendEncode(to, rest)
}

func (k keys) sends(recipient codes.Digest) string   { return k.of('n', recipient) }
func (k keys) guesses(recipient codes.Digest) string { return k.of('w', recipient) }
func (k keys) refunds(recipient codes.Digest) string { return k.of('u', recipient) }
func (k keys) failures(address codes.Digest) string  { return k.of('k', address) }
func (k keys) request(key codes.Digest) string       { return k.of('i', key) }
func (k keys) message(id codes.Digest) string        { return k.of('m', id) }
func (k keys) total() string                         { return k.prefix + "a{all}" }
func (k keys) callers() string                       { return k.prefix + "q{all}" }
func (k keys) turns() string                         { return k.prefix + "z{all}" }

// caller, profile and client are in the slot of the keys of the service.
func (k keys) caller(d codes.Digest) string  { return k.prefix + "l{all}" + d.String() }
func (k keys) profile(d codes.Digest) string { return k.prefix + "p{all}" + d.String() }
func (k keys) client(d codes.Digest) string  { return k.prefix + "j{all}" + d.String() }

// unverified counts what there is for an exchange, for an area code or for all: the
// messages whose code was not entered, and the codes that were. It cuts both keys from
// one string to save an allocation.
func (k keys) unverified(subject string) (messages, codes string) {
	both := k.prefix + "e{all}" + subject + k.prefix + "v{all}" + subject
	return both[:len(both)/2], both[len(both)/2:]
}

// entered lists the codes that were entered and are not yet counted.
func (k keys) entered() string { return k.prefix + "y{all}" }

// tagBytes is how many bytes of an entry's id are its hash tag. Entries with the
// same tag share the key of their expiry notices: there are 65,536 tags, so a
// million entries share each with about 15 others.
const tagBytes = 2

// entry appends the keys of an entry and of its notices. It cuts them from one
// string to save an allocation: every request makes them.
func (k keys) entry(to []string, id codes.Digest) []string {
	var space [128]byte
	entry := k.append(space[:0], 'c', id[:tagBytes], id[tagBytes:])
	all := string(k.append(entry, 'x', id[:tagBytes], nil))
	return append(to, all[:len(entry)], all[len(entry):])
}

// entries appends the keys of an entry under each secret.
func (k keys) entries(to []string, n codes.EntryName) []string {
	to = k.entry(to, n.Current)
	if n.Previous != (codes.Digest{}) {
		to = k.entry(to, n.Previous)
	}
	return to
}

// reply is the key of the saved reply of a call for an entry.
func (k keys) reply(id codes.Digest, op codes.Op) string {
	return string(base64.RawURLEncoding.AppendEncode(k.append(nil, 'r', id[:tagBytes], id[tagBytes:]), op[:]))
}
