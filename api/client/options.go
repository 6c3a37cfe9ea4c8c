package client

import "net/url"

// arguments are those of a call, by their names in the API.
type arguments map[string]string

// CreateOption is an option of [Client.CreateAuth]: [WithProfile], [WithLocale],
// [WithClient].
type CreateOption interface{ ofCreate(arguments) }

// CheckOption is an option of [Client.AuthenticateCode]: [WithProfile], [SentTo].
type CheckOption interface{ ofCheck(arguments) }

// AuthOption is an option of [Client.CancelAuth] and [Client.Status]: [WithProfile].
type AuthOption interface{ ofAuth(arguments) }

// ProfileOption is an option of every call; see [WithProfile].
type ProfileOption struct{ name string }

// WithProfile uses the settings of a profile of the service, such as its length
// of codes, its text and its limits. An authID under a profile is another one
// than the same authID without it, so every call about a code needs the profile
// that the code was made with.
func WithProfile(name string) ProfileOption { return ProfileOption{name} }

func (o ProfileOption) ofCreate(args arguments) { args["profile"] = o.name }
func (o ProfileOption) ofCheck(args arguments)  { args["profile"] = o.name }
func (o ProfileOption) ofAuth(args arguments)   { args["profile"] = o.name }

type locale string

// WithLocale asks for the message in a language, given as a BCP 47 tag such as
// "es-MX". The service sends the closest that the profile has, and else the
// profile's default.
func WithLocale(tag string) CreateOption { return locale(tag) }

func (l locale) ofCreate(args arguments) { args["locale"] = string(l) }

type behind string

// WithClient names the person behind the request, best by the IP address from which
// the person uses your application, so that the service can limit its messages.
// Never give the address of your own proxy: all people would share one limit.
func WithClient(client string) CreateOption { return behind(client) }

func (b behind) ofCreate(args arguments) { args["client"] = string(b) }

type sentTo string

// SentTo makes a code right only if it was sent to recipient; otherwise the
// answer is [UnknownAuthID]. Give the number that your application is about to
// mark as verified: else somebody may enter the code of another phone.
func SentTo(recipient string) CheckOption { return sentTo(recipient) }

func (s sentTo) ofCheck(args arguments) { args["recipient"] = string(s) }

// queryOf returns the query of a call that has no body.
func queryOf(authID string, opts []AuthOption) string {
	args := arguments{"auth_id": authID}
	for _, opt := range opts {
		opt.ofAuth(args)
	}
	query := url.Values{}
	for name, value := range args {
		query.Set(name, value)
	}
	return query.Encode()
}
