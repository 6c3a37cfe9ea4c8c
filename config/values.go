package config

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

func numberField(p *codes.Phone) field {
	return parsed(word, "11 digits `1XXXXXXXXXX`", p, func(s string) (codes.Phone, error) {
		n, err := codes.ParsePhone(s)
		if err != nil || string(n) != s {
			return "", fmt.Errorf("%s is not a phone number; write 11 digits starting with 1, such as 12065550101", shown(s))
		}
		return n, nil
	})
}

func templateField(p *codes.Template) field {
	return parsed(text, "", p, codes.ParseTemplate)
}

// parseBaseURL accepts http:// too: [loader.checkBaseURL] checks that against
// the other settings. Errors never show the value: it may contain a password.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("is not an absolute URL; write one such as https://api.flowroute.com")
	case u.User != nil:
		return "", errors.New("contains a user or a password; remove them, since credentials have their own settings")
	case strings.ContainsAny(s, "?#"):
		return "", errors.New("contains a query or a fragment; remove everything from ? or # on")
	}
	return strings.TrimRight(s, "/"), nil
}

// addedPath is what the service itself appends to FLOWROUTE_BASE_URL.
var addedPath = regexp.MustCompile(`(?i)((/+v[0-9]+(\.[0-9]+)*)?/+messages|/+v[0-9]+(\.[0-9]+)*)$`)

func flowrouteURLField(p *string) field {
	return parsed(word, "", p, func(s string) (string, error) {
		base, err := parseBaseURL(s)
		if err != nil {
			return "", err
		}
		u, _ := url.Parse(base) // as parseBaseURL did
		if end := addedPath.FindString(u.Path); end != "" {
			hint := "remove it"
			if end == u.Path {
				hint = "write " + u.Scheme + "://" + u.Host
			}
			return "", fmt.Errorf("ends in %s, which the service adds itself; %s", end, hint)
		}
		return base, nil
	})
}

// publicURLField accepts an empty value, which turns receipts off in a file.
func publicURLField(p *string) field {
	return parsed(word, "", p, func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		base, err := parseBaseURL(s)
		switch {
		case err != nil:
		case strings.Contains(base, "/webhooks/flowroute"):
			err = errors.New("contains /webhooks/flowroute, which the service adds itself; remove it and everything after it")
		case isClearText(base):
			err = errors.New("would send receipts, which contain codes, in clear text; write https://")
		}
		return base, err
	})
}

var webhookToken = regexp.MustCompile(`^[A-Za-z0-9._~-]{16,128}$`)

func checkWebhookToken(s string) error {
	if !webhookToken.MatchString(s) {
		return errors.New("must be 16 to 128 characters of A-Za-z0-9._~-; make one with: openssl rand -hex 32")
	}
	return nil
}

// isClearText reports whether a request to a URL would cross a network
// unencrypted.
func isClearText(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "https" || strings.EqualFold(u.Hostname(), "localhost") {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil || !ip.Unmap().IsLoopback()
}

// checkRedisURL checks the scheme only: the Redis client checks the rest. Its
// errors repeat nothing of the URL.
func checkRedisURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" {
		return errors.New("is not a URL; write one such as redis://localhost:6379/0, and percent-encode the password")
	}
	if !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) {
		return errors.New("has an unknown scheme; start it with redis://, rediss:// or unix://")
	}
	return nil
}

// checkKeyPrefix refuses the characters of hash tags ({}), by which a cluster
// shards, and of ACL patterns (*?[]\).
func checkKeyPrefix(s string) error {
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`{}*?[]\`, r) }
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, bad) {
		return errors.New(`must be 1 to 64 visible ASCII characters, none of { } * ? [ ] \; write one such as "smsv:"`)
	}
	return nil
}

// pemField takes a file name, or nothing. Errors never show the value: it may
// be a private key, set by mistake.
func pemField(p *string, check func(pem []byte) error) field {
	return single(word, "name of a PEM file", func(s string) error {
		*p = s
		if s == "" {
			return nil
		}
		if strings.Contains(s, "-----BEGIN") {
			return errors.New("contains the PEM text itself; write that to a file and give the name of the file")
		}
		content, err := os.ReadFile(s)
		if err != nil {
			return fmt.Errorf("the file cannot be read: %w", reason(err))
		}
		return check(content)
	})
}

func checkAuthorities(content []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return errors.New("the file contains no certificate; it must contain the authority's certificate in PEM")
	}
	return nil
}

// checkPEM checks the format only: [loader.checkRedisTLS] checks a certificate
// together with its key.
func checkPEM(content []byte) error {
	if block, _ := pem.Decode(content); block == nil {
		return errors.New("the file is not PEM; it must start with -----BEGIN")
	}
	return nil
}

// levelField takes the level names of slog, and the names and numbers of
// Python's logging, which the service's predecessor used.
func levelField(p *slog.Level) field {
	return parsed(level, "`debug`, `info`, `warn` or `error`, or `10`, `20`, `30`, `40`, `50`", p, func(s string) (slog.Level, error) {
		switch strings.ToLower(s) {
		case "debug", "10":
			return slog.LevelDebug, nil
		case "info", "20":
			return slog.LevelInfo, nil
		case "warn", "warning", "30":
			return slog.LevelWarn, nil
		case "error", "critical", "40", "50":
			return slog.LevelError, nil
		}
		return 0, fmt.Errorf("%s is not a log level; write debug, info, warn or error, or 10, 20, 30, 40, 50", shown(s))
	})
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// addrField takes host:port with a numeric port; 0 picks a free one.
func addrField(p *string, canBeOff bool) field {
	rule, hint := "`host:port`", "write host:port such as :8000 or 127.0.0.1:8000"
	if canBeOff {
		rule, hint = rule+" or `off`", hint+", or off"
	}
	return parsed(word, rule, p, func(s string) (string, error) {
		if canBeOff && strings.EqualFold(s, "off") {
			return "", nil
		}
		host, port, err := net.SplitHostPort(s)
		_, errPort := strconv.ParseUint(port, 10, 16)
		_, errHost := netip.ParseAddr(host)
		if err != nil || errPort != nil || errHost != nil && !hostname.MatchString(host) {
			return "", fmt.Errorf("%s is not an address; %s", shown(s), hint)
		}
		return s, nil
	})
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// apiKeysField never shows an element: it may be the key instead of its hash.
func apiKeysField(p *[]APIKey) field {
	one := each("list of `name:sha256hex`", p, func(s string) (APIKey, error) {
		name, digits, _ := strings.Cut(s, ":")
		hash, err := hex.DecodeString(digits)
		if err != nil || len(hash) != len(APIKey{}.Hash) || !keyName.MatchString(name) {
			return APIKey{}, errors.New("is not name:sha256hex; write a name (1 to 64 characters of A-Za-z0-9._-), a colon and the SHA-256 of the key as 64 hex digits")
		}
		return APIKey{name, [32]byte(hash)}, nil
	})
	return field{one.kind, one.rule, func(values []string) error {
		if err := one.set(values); err != nil {
			return err
		}
		seen := map[[32]byte]int{}
		for i, k := range *p {
			if first := seen[k.Hash]; first > 0 {
				return fmt.Errorf("element %d has the same hash as element %d; remove one of them", i+1, first)
			}
			seen[k.Hash] = i + 1
		}
		return nil
	}}
}

// testRecipientsField takes the list as one text, since a secret is one text.
// Errors never show an element: it contains a code.
func testRecipientsField(p *codes.TestRecipients) field {
	return parsed(secret, "", p, func(s string) (codes.TestRecipients, error) {
		return codes.ParseTestRecipients(strings.Split(s, ","))
	})
}

// untilField takes a time, or a day, which lasts until its end in UTC; empty is
// none.
func untilField(p *time.Time) field {
	return parsed(word, "`YYYY-MM-DD`, to the end of that day in UTC, or RFC 3339", p, func(s string) (time.Time, error) {
		if s == "" {
			return time.Time{}, nil
		}
		if day, err := time.Parse(time.DateOnly, s); err == nil {
			return day.AddDate(0, 0, 1), nil
		}
		moment, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s is not a date or time; write one such as 2030-01-31 or 2030-01-31T12:00:00Z", shown(s))
		}
		return moment, nil
	})
}

// maxPerNumber is the number of events up to which Redis handles a number as
// quickly as with one event.
const maxPerNumber = 10_000

// windowsField takes limits of at most most events per window.
func windowsField(p *[]codes.Window, most int64) field {
	const invalid = `limit; write a number and a duration such as "5/10m", or off`
	return limitsField("list such as `5/10m,20/24h`, or `off`", "off for no limit", 32, invalid, func(values []string) (err error) {
		*p, err = codes.ParseWindows(values)
		for _, w := range *p {
			if err == nil && w.Max > most {
				err = fmt.Errorf("%q is above the maximum of %d, beyond which requests for one number or client become slow; write at most %[2]d/%s, or off", w.Text, most, short(w.Span))
			}
		}
		return err
	})
}

// callerLimitsField takes limits with the names of callers.
func callerLimitsField(p *map[string][]codes.Window) field {
	const invalid = `element; write a name and a limit such as "shop:1000/24h", or off`
	return limitsField("list such as `shop:1000/24h,*:200/24h`, or `off`", "off for no limit", 100, invalid, func(values []string) (err error) {
		*p, err = codes.ParseCallerWindows(values)
		return err
	})
}

// unverifiedField sets all but the mode, which has its own setting.
func unverifiedField(p *codes.Unverified) field {
	const (
		rule    = "list of `exchange`, `area` or `all` and a limit of at most 24h, such as `area:100/1h+50%`"
		hint    = "a limit such as exchange:20/1h, or set UNVERIFIED_MODE to off"
		invalid = "limit; write exchange, area or all and a limit such as exchange:20/1h"
	)
	return limitsField(rule, hint, 48, invalid, func(values []string) error {
		u, err := codes.ParseUnverified(values)
		p.Exchange, p.Area, p.All = u.Exchange, u.Area, u.All
		return err
	})
}

func prefixesField(p *[]string) field {
	return each("list of prefixes such as `1206,1425`, and of groups such as `us`", p, func(s string) (string, error) {
		if _, err := codes.ParseRecipients([]string{s}, nil); err != nil {
			return "", fmt.Errorf("%s is not a prefix; write 1 to 11 digits starting with 1, or one of the groups %s",
				shown(s), strings.Join(codes.RecipientGroups(), ", "))
		}
		return s, nil
	})
}

func proxiesField(p *[]netip.Prefix) field {
	return each("list of CIDRs or addresses", p, func(s string) (netip.Prefix, error) {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
			ip = ip.Unmap()
			return netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		cidr, err := netip.ParsePrefix(s)
		if err != nil || cidr.Addr().Is4In6() { // a prefix of mapped addresses would match nothing
			return netip.Prefix{}, fmt.Errorf("%s is not an address or CIDR; write one such as 10.0.0.0/8 or 2001:db8::/32", shown(s))
		}
		return cidr.Masked(), nil
	})
}
