package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The modes of Redis.
const (
	Standalone = "standalone"
	Sentinel   = "sentinel"
	Cluster    = "cluster"
)

// Sizes of the connection pool, per node.
const (
	poolSize    = 64
	poolTimeout = 100 * time.Millisecond
)

// errURL quotes neither the URL nor the parser's error: if the password is not
// percent-encoded, either may hold a part of it.
var errURL = errors.New("is not a usable address: write redis://, rediss:// or unix:// as in redis://user:password@host:6379/0, " +
	"with special characters of the password percent-encoded; sentinel needs ?master_name=, a cluster has only database 0")

// DialOptions are the address of Redis, the credentials and the certificates.
type DialOptions struct {
	URL, Mode string

	// Username and Password must not be in the URL too. In mode sentinel they are
	// those of the servers.
	Username, Password string

	// Optional PEM files for rediss://: the only certificate authority to trust,
	// and a client certificate with its key.
	CAFile, CertFile, KeyFile string
}

// Dial returns a client, which connects when it is used. Settings in the URL
// (timeouts, pool size, TLS) override the defaults; see ParseURL, ParseFailoverURL
// and ParseClusterURL of go-redis. In mode sentinel the user and password before the
// host are those of the sentinels; those of the servers are in the parameters
// username and password, or in the options.
func Dial(options DialOptions) (redis.UniversalClient, error) {
	url := options.URL
	_, location, _ := strings.Cut(url, "://")
	path := ""
	if i := strings.IndexAny(location, "/?#"); i >= 0 {
		path = location[i:]
	}
	if strings.ContainsAny(path, "@#") {
		// A password that is not percent-encoded ends the host too early. Its
		// beginning would be used as a host or port and shown in errors.
		return nil, errURL
	}
	switch options.Mode {
	case Standalone:
		o, err := redis.ParseURL(url)
		if err != nil {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaxRetries, o.DialerRetries = -1, 1 // Store.retry retries
		o.MaintNotificationsConfig = noNotifications()
		defaultTo(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout, &o.PoolSize, &o.Protocol)
		if err := options.logIn(&o.Username, &o.Password, o.TLSConfig); err != nil {
			return nil, err
		}
		o.Dialer = tlsDialer(o.TLSConfig, o.DialTimeout)
		return redis.NewClient(o), nil
	case Sentinel:
		o, err := redis.ParseFailoverURL(url)
		if err != nil || o.MasterName == "" {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaxRetries, o.DialerRetries = -1, 1
		defaultTo(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout, &o.PoolSize, &o.Protocol)
		if err := options.logIn(&o.Username, &o.Password, o.TLSConfig); err != nil {
			return nil, err
		}
		o.Dialer = tlsDialer(o.TLSConfig, o.DialTimeout)
		return redis.NewFailoverClient(o), nil
	case Cluster:
		o, err := redis.ParseClusterURL(url)
		database, _, _ := strings.Cut(path, "?") // the parser ignores it
		if database = strings.Trim(database, "/"); err != nil || database != "" && database != "0" {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaxRetries, o.DialerRetries = -1, 1
		o.MaintNotificationsConfig = noNotifications()
		// The client does not look for a new master when the old one refuses
		// connections, but at this interval; the default is a minute.
		o.ClusterStateReloadInterval = time.Second
		defaultTo(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout, &o.PoolSize, &o.Protocol)
		if err := options.logIn(&o.Username, &o.Password, o.TLSConfig); err != nil {
			return nil, err
		}
		o.Dialer = tlsDialer(o.TLSConfig, o.DialTimeout)
		return redis.NewClusterClient(o), nil
	}
	return nil, fmt.Errorf("unknown mode %q: %s, %s or %s", options.Mode, Standalone, Sentinel, Cluster)
}

// CheckOptions returns an error if Dial would refuse the options.
func CheckOptions(options DialOptions) error {
	client, err := Dial(options)
	if err != nil {
		return err
	}
	return client.Close()
}

// noNotifications turns off maintenance notifications, with which a server could
// raise the timeouts to ten seconds.
func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// defaultTo sets what the URL does not set. The library's own timeouts are seconds,
// longer than a caller of the service waits.
func defaultTo(dial, read, write, pool *time.Duration, size, protocol *int) {
	for _, d := range []*time.Duration{dial, read, write} {
		if *d == 0 {
			*d = tryTimeout
		}
	}
	if *pool == 0 {
		*pool = poolTimeout
	}
	if *size == 0 {
		*size = poolSize
	}
	if *protocol == 0 {
		// RESP2 has all that the store needs. With RESP3 the client would check for
		// notifications before and after every reply.
		*protocol = 2
	}
}

// LogTo sends the log of the Redis library to logger at debug level: it logs every
// failed dial, which the failed requests report themselves. The library has one
// logger for the whole program.
func LogTo(logger *slog.Logger) { redis.SetLogger(libraryLogger{logger}) }

type libraryLogger struct{ logger *slog.Logger }

func (l libraryLogger) Printf(ctx context.Context, format string, v ...any) {
	l.logger.DebugContext(ctx, "redis client", "detail", fmt.Sprintf(format, v...))
}
