package codes

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"sync"
)

// Digest stands for an auth_id, a code or a number at rest: the first 80 bits
// of its HMAC-SHA-256 under the service's secret. The chance that any two of a
// hundred million are equal is 4 in a billion, and nobody can search for such a
// pair without the secret.
type Digest [10]byte

// String returns the digest in the form of key names: 14 characters of base64url.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// Op identifies one operation, so that a retry of it is recognised.
type Op [8]byte

// NewOp returns a fresh random Op.
func NewOp() Op {
	var op Op
	_, _ = rand.Read(op[:]) // never fails: crypto/rand ends the program instead
	return op
}

// String returns the op in the form of key names: 11 characters of base64url.
func (o Op) String() string { return base64.RawURLEncoding.EncodeToString(o[:]) }

// Hasher makes digests under one secret. It is safe for concurrent use.
type Hasher struct{ pool sync.Pool }

// hashing is the state of one HMAC, for reuse.
type hashing struct {
	mac   hash.Hash
	input []byte
	sum   [sha256.Size]byte
}

// NewHasher returns a Hasher under the given secret.
func NewHasher(secret []byte) *Hasher {
	key := append([]byte(nil), secret...)
	return &Hasher{pool: sync.Pool{New: func() any { return &hashing{mac: hmac.New(sha256.New, key)} }}}
}

// ID digests an auth_id of a space.
func (h *Hasher) ID(s Space, id ID) Digest {
	return h.digest('i', s.Caller, s.Profile, s.Service, string(id))
}

// Phone digests a recipient's number.
func (h *Hasher) Phone(p Phone) Digest { return h.digest('p', string(p)) }

// Message digests the carrier's id of a message.
func (h *Hasher) Message(id string) Digest { return h.digest('m', id) }

// Address digests a client's network address.
func (h *Hasher) Address(a string) Digest { return h.digest('a', a) }

// Client digests a client of a caller. The same text may mean different people to
// two callers.
func (h *Hasher) Client(caller string, c Client) Digest { return h.digest('s', caller, string(c)) }

// Verification returns the auth_id of a number in a service that finds entries by
// number: VE and 32 hex digits.
func (h *Hasher) Verification(service string, p Phone) ID {
	sum := h.sum('v', service, string(p))
	return ID("VE" + hex.EncodeToString(sum[:16]))
}

// Pseudonym stands for a recipient or a client in the log: 10 hex digits, the same
// each time, that reveal nothing without the secret. It is derived from the digest
// that the store keeps, and is no part of it.
func (h *Hasher) Pseudonym(of Digest) string {
	mark := h.digest('l', string(of[:]))
	return hex.EncodeToString(mark[:5])
}

// NameDigest digests the name of a caller or of a profile. It needs no secret, so
// the counts survive a change of the secret.
func NameDigest(name string) (d Digest) {
	sum := sha256.Sum256([]byte(name))
	copy(d[:], sum[:])
	return d
}

// Code digests a code in canonical form, bound to the auth_id it was made for:
// the same code under two ids has two digests.
func (h *Hasher) Code(s Space, id ID, c Code) Digest {
	return h.digest('c', s.Caller, s.Profile, s.Service, string(id), canonical(c))
}

// digest returns the first bytes of a sum.
func (h *Hasher) digest(kind byte, parts ...string) Digest {
	sum := h.sum(kind, parts...)
	return Digest(sum[:len(Digest{})])
}

// sum separates the domains by kind, and the parts by zero bytes. Only one part
// of each kind may hold a zero byte itself, so no two lists of parts have the same
// encoding.
func (h *Hasher) sum(kind byte, parts ...string) [sha256.Size]byte {
	with := h.pool.Get().(*hashing)
	defer h.pool.Put(with)
	with.input = append(with.input[:0], kind)
	for _, part := range parts {
		with.input = append(with.input, part...)
		with.input = append(with.input, 0)
	}
	with.mac.Reset()
	with.mac.Write(with.input)
	with.mac.Sum(with.sum[:0])
	return with.sum
}
