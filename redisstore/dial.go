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

// The set-ups of Redis.
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

// errURL does not repeat anything of the URL, nor of what its parser says:
// with a password that is not percent-encoded either may hold a part of it.
var errURL = errors.New("is not a usable address: write redis://, rediss:// or unix:// as in redis://user:password@host:6379/0, " +
	"with special characters of the password percent-encoded; sentinel needs ?master_name=, a cluster has only database 0")

// DialOptions say where Redis is, who logs in, and whom to trust.
type DialOptions struct {
	URL, Mode string

	// Username and Password replace those of the URL, which must have none. In
	// mode sentinel they are those of the servers.
	Username, Password string

	// PEM files for rediss://, all optional: the only authority to trust, and
	// a client certificate with its key.
	CAFile, CertFile, KeyFile string
}

// Dial returns a client. It does not connect yet. What the URL sets itself
// (timeouts, pool size, TLS) is kept; see the go-redis documentation of
// ParseURL, ParseFailoverURL and ParseClusterURL. In mode sentinel the user and
// password before the host are the sentinels'; those of the servers are the
// parameters username and password, or the options.
func Dial(options DialOptions) (redis.UniversalClient, error) {
	url := options.URL
	_, location, _ := strings.Cut(url, "://")
	path := ""
	if i := strings.IndexAny(location, "/?#"); i >= 0 {
		path = location[i:]
	}
	if strings.ContainsAny(path, "@#") {
		// What ends the host too early belongs to the password, whose
		// beginning would be taken for a host or a port and be told in errors.
		return nil, errURL
	}
	switch options.Mode {
	case Standalone:
		o, err := redis.ParseURL(url)
		if err != nil {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaxRetries, o.DialerRetries = -1, 1 // the store repeats by itself, see script.go
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
		database, _, _ := strings.Cut(path, "?") // which the parser does not look at
		if database = strings.Trim(database, "/"); err != nil || database != "" && database != "0" {
			return nil, errURL
		}
		o.ContextTimeoutEnabled, o.DisableIdentity = true, true
		o.MaxRetries, o.DialerRetries = -1, 1
		o.MaintNotificationsConfig = noNotifications()
		// A master that is gone refuses connections, which does not make the
		// client look for the new one; by default it would look after a minute.
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

// CheckOptions returns what is wrong with the options, if anything is.
func CheckOptions(options DialOptions) error {
	client, err := Dial(options)
	if err != nil {
		return err
	}
	return client.Close()
}

// noNotifications keeps the timeouts ours: a server that announces its
// maintenance may otherwise stretch them to ten seconds.
func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// defaultTo sets what the URL left open. The library's own timeouts are
// seconds, longer than anybody waits for a code to be checked.
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
		// RESP2: we need none of what came later, and with RESP3 the client
		// looks for notifications before and after every reply.
		*protocol = 2
	}
}

// LogTo sends what the Redis library has to say to logger, at debug level: it
// logs every failed dial, and the requests that failed say so themselves.
// The library has one logger for the whole program.
func LogTo(logger *slog.Logger) { redis.SetLogger(libraryLogger{logger}) }

type libraryLogger struct{ logger *slog.Logger }

func (l libraryLogger) Printf(ctx context.Context, format string, v ...any) {
	l.logger.DebugContext(ctx, "redis client", "detail", fmt.Sprintf(format, v...))
}
