package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/redisstore"
)

// DialOptions returns how to connect to the Redis of the settings.
func DialOptions(c *config.Config) redisstore.DialOptions {
	return redisstore.DialOptions{
		URL: c.RedisURL.Reveal(), Mode: c.RedisMode,
		Username: c.RedisUsername, Password: c.RedisPassword.Reveal(),
		CAFile: c.RedisTLSCA, CertFile: c.RedisTLSCert, KeyFile: c.RedisTLSKey,
	}
}

// OpenStore opens the store. It calls done after each operation, if not nil.
func OpenStore(cfg *config.Config, o redisstore.DialOptions, done func(context.Context, string, time.Time, error)) (*redisstore.Store, error) {
	client, err := redisstore.Dial(o)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return redisstore.New(client, redisstore.Options{
		Prefix:      cfg.RedisKeyPrefix,
		MinReplicas: cfg.RedisWaitReplicas,
		Done:        done,
	}), nil
}

// PolicyOf returns the policy for requests without a profile.
func PolicyOf(cfg *config.Config) codes.Policy {
	return codes.Policy{
		CodeLength: cfg.CodeLength,
		Lifetime:   cfg.CodeExpiration,
		Notice:     cfg.ExpiredNotice,
		Attempts:   cfg.RetriesAllowed,
		Message:    cfg.AuthMessage,
		OrgName:    cfg.OrgName,
		SameCode:   cfg.SameCode,
		Limits: codes.Limits{
			Sends:   cfg.SendLimits,
			Guesses: cfg.GuessLimits,
			Total:   cfg.SendLimitsTotal,
			Callers: cfg.CallerLimits,
			Clients: cfg.ClientLimits,

			Unverified: cfg.Unverified,

			Pace:    codes.Pace{Rate: cfg.FlowrouteRate, MaxWait: cfg.FlowrouteMaxWait, Fair: severalCallers(cfg)},
			Refunds: cfg.CallbackURL() != "",
		},
	}
}

// ProfilesOf returns the policy of each profile.
func ProfilesOf(cfg *config.Config) []codes.Policy {
	profiles := make([]codes.Policy, len(cfg.Profiles))
	for i, p := range cfg.Profiles {
		policy := PolicyOf(cfg)
		policy.Profile, policy.Callers = p.Name, p.Callers
		policy.CodeLength, policy.Lifetime, policy.Attempts = p.CodeLength, p.CodeExpiration, p.RetriesAllowed
		policy.Message, policy.Messages, policy.OrgName = p.AuthMessage, p.Messages, p.OrgName
		policy.From, policy.SameCode = p.FlowrouteNumber, p.SameCode
		for _, w := range p.SendLimitsTotal {
			w.Text = p.Name + ":" + w.Text
			policy.Limits.Profile = append(policy.Limits.Profile, w)
		}
		profiles[i] = policy
	}
	return profiles
}

// profileNames returns the names of the profiles.
func profileNames(cfg *config.Config) []string {
	names := make([]string, len(cfg.Profiles))
	for i, p := range cfg.Profiles {
		names[i] = p.Name
	}
	return names
}

// severalCallers reports whether API_KEYS has more than one name.
func severalCallers(cfg *config.Config) bool {
	return slices.ContainsFunc(cfg.APIKeys, func(k config.APIKey) bool { return k.Name != cfg.APIKeys[0].Name })
}

func numbersOf(cfg *config.Config) (codes.Numbers, error) {
	allowed, err := codes.ParseRecipients(cfg.AllowedPrefixes, cfg.BlockedPrefixes)
	if err != nil {
		return codes.Numbers{}, fmt.Errorf("ALLOWED_PREFIXES, BLOCKED_PREFIXES: %w", err)
	}
	return codes.Numbers{Allowed: allowed, Test: cfg.TestRecipients, TestUntil: cfg.TestRecipientsUntil}, nil
}

func hashersOf(cfg *config.Config) (current, previous *codes.Hasher) {
	if secret := cfg.PreviousCodeSecret(); secret != nil {
		previous = codes.NewHasher(secret)
	}
	return codes.NewHasher(cfg.CodeSecret()), previous
}

// twilioServices maps the SIDs of Twilio Verify services to profiles. It is nil if
// TWILIO_API is off.
func twilioServices(cfg *config.Config) map[string]string {
	if !cfg.TwilioAPI {
		return nil
	}
	profiles := map[string]string{}
	for _, p := range cfg.Profiles {
		if p.TwilioService != "" {
			profiles[p.TwilioService] = p.Name
		}
	}
	return profiles
}

func keysOf(cfg *config.Config) []api.Key {
	keys := make([]api.Key, len(cfg.APIKeys))
	for i, k := range cfg.APIKeys {
		keys[i] = api.Key(k)
	}
	return keys
}

// callersOf returns the names of all callers: an empty one if there are no keys.
func callersOf(keys []api.Key) []string {
	if len(keys) == 0 {
		return []string{""}
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

// webhookOf returns the webhook for receipts. In debug mode there always is one, for
// the simulator.
func webhookOf(cfg *config.Config) api.Webhook {
	token := cfg.WebhookToken.Reveal()
	if token == "" && cfg.DebugMode {
		token = rand.Text()
	}
	return api.Webhook{Token: token, Parse: flowroute.ParseReceipts}
}
