package redisstore

import (
	"encoding/base64"

	"github.com/flowroute/sms-verification/codes"
)

// schema is the version of the keys and values. A change that an older
// replica would misread takes a new one.
const schema = "1:"

// keys names every key. The part in braces is the hash tag: keys that one
// script touches share it, so that a cluster keeps them in one slot.
type keys struct{ prefix string }

func (k keys) tagged(d codes.Digest, rest string) string {
	var space [128]byte // on the stack, long enough for the longest prefix
	return string(append(k.appendTag(space[:0], d), rest...))
}

// appendTag appends the beginning of all keys of a digest.
func (k keys) appendTag(to []byte, d codes.Digest) []byte {
	to = append(to, k.prefix...)
	to = append(to, schema+"{"...)
	to = base64.RawURLEncoding.AppendEncode(to, d[:])
	return append(to, '}')
}

func (k keys) entry(id codes.Digest) string          { return k.tagged(id, "") }
func (k keys) notice(id codes.Digest) string         { return k.tagged(id, "x") }
func (k keys) sends(recipient codes.Digest) string   { return k.tagged(recipient, "s") }
func (k keys) guesses(recipient codes.Digest) string { return k.tagged(recipient, "g") }
func (k keys) returns(recipient codes.Digest) string { return k.tagged(recipient, "b") }
func (k keys) failures(address codes.Digest) string  { return k.tagged(address, "f") }
func (k keys) request(key codes.Digest) string       { return k.tagged(key, "i") }
func (k keys) message(id codes.Digest) string        { return k.tagged(id, "m") }
func (k keys) total() string                         { return k.prefix + schema + "{all}t" }
func (k keys) turns() string                         { return k.prefix + schema + "{all}p" }

// forEntry are the keys of the scripts put, try and delete: the entry, the
// notice of its expiry and the operation. Every request makes them, so they
// are cut from one string.
func (k keys) forEntry(id codes.Digest, op codes.Op) []string {
	var space [256]byte
	all := k.appendTag(space[:0], id)
	tag := len(all)
	all = base64.RawURLEncoding.AppendEncode(all, op[:])
	operation := len(all)
	all = append(k.appendTag(all, id), 'x')
	keys := string(all)
	return []string{keys[:tag], keys[operation:], keys[:operation]}
}
