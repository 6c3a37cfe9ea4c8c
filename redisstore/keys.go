package redisstore

import (
	"encoding/base64"

	"github.com/flowroute/sms-verification/codes"
)

// keys names every key: the prefix, a letter for what it holds, and in braces
// the hash tag: keys that one script touches share it, so that a cluster keeps
// them in one slot. With the default prefix most are 22 bytes long, which
// is the most that Redis keeps in 24.
//
// A change of what a key holds that an older replica would misread takes a
// new letter.
type keys struct{ prefix string }

func (k keys) of(kind byte, d codes.Digest) string {
	var space [64]byte // on the stack, long enough for the usual prefix
	return string(k.append(space[:0], kind, d[:], nil))
}

// append appends the key of what tag and rest name together.
func (k keys) append(to []byte, kind byte, tag, rest []byte) []byte {
	to = append(to, k.prefix...)
	to = append(to, kind, '{')
	to = base64.RawURLEncoding.AppendEncode(to, tag)
	to = append(to, '}')
	return base64.RawURLEncoding.AppendEncode(to, rest)
}

func (k keys) entry(id codes.Digest) string          { return k.ofEntry(id)[0] }
func (k keys) sends(recipient codes.Digest) string   { return k.of('s', recipient) }
func (k keys) guesses(recipient codes.Digest) string { return k.of('g', recipient) }
func (k keys) returns(recipient codes.Digest) string { return k.of('b', recipient) }
func (k keys) failures(address codes.Digest) string  { return k.of('f', address) }
func (k keys) request(key codes.Digest) string       { return k.of('i', key) }
func (k keys) message(id codes.Digest) string        { return k.of('m', id) }
func (k keys) total() string                         { return k.prefix + "t{all}" }
func (k keys) turns() string                         { return k.prefix + "p{all}" }

// tagBytes of an entry's id are its hash tag, so that some entries share the
// key of their notices: there are 65,536, one for 15 of a million entries.
const tagBytes = 2

// ofEntry are the keys of the scripts of an entry: itself and the
// notices. They are cut from one string: every request makes them.
func (k keys) ofEntry(id codes.Digest) []string {
	var space [128]byte
	entry := k.append(space[:0], 'e', id[:tagBytes], id[tagBytes:])
	both := string(k.append(entry, 'x', id[:tagBytes], nil))
	return []string{both[:len(entry)], both[len(entry):]}
}

func (k keys) operation(id codes.Digest, op codes.Op) string {
	return string(k.append(nil, 'o', id[:tagBytes], id[tagBytes:])) + op.String()
}
