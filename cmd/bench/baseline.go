package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

const baselineName = "baseline"

// createScript has the arguments code, attempts and seconds to live.
var createScript = redis.NewScript(`
redis.call('HSET', KEYS[1], 'code', ARGV[1], 'left', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`)

// checkScript returns -1 if the code is right, -2 if there is no entry, and
// else the attempts that are left.
var checkScript = redis.NewScript(`
local code = redis.call('HGET', KEYS[1], 'code')
if not code then
  return -2
end
if code == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return -1
end
local left = redis.call('HINCRBY', KEYS[1], 'left', -1)
if left <= 0 then
  redis.call('DEL', KEYS[1])
end
return left`)

// baseline is a handler of Echo that makes one call of go-redis for each
// request, over pooled connections. It keeps none of the service's promises.
// The ratio to it shows what they cost. An error ends the connection, and so
// the load.
type baseline struct {
	redis    *redis.Client
	http     *http.Client
	messages string // URL of Flowroute
}

// serveBaseline serves the baseline, with the settings of the service.
func serveBaseline(ctx context.Context) error {
	s := &baseline{
		redis:    dialRedis(must(redis.ParseURL(os.Getenv("REDIS_URL"))).Addr),
		http:     &http.Client{Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		messages: strings.Replace(os.Getenv("FLOWROUTE_BASE_URL"), "://", "://"+accessKey+":"+secretKey+"@", 1) + "/v2.1/messages",
	}
	check(createScript.Load(ctx, s.redis).Err())
	check(checkScript.Load(ctx, s.redis).Err())
	e := echo.New()
	e.POST("/", s.create)
	e.POST("/verify", s.verify)
	e.GET("/readyz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/metrics", func(c echo.Context) error { // the only one that the benchmark reads from the service
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return c.String(http.StatusOK, fmt.Sprint(mallocsMetric, m.Mallocs, "\n"))
	})
	go func() { log.Fatal(http.ListenAndServe(os.Getenv("ADMIN_ADDR"), e)) }()
	return http.ListenAndServe(os.Getenv("LISTEN_ADDR"), e)
}

type baselineRequest struct {
	AuthID    string `json:"auth_id"`
	Recipient string `json:"recipient"`
	Code      string `json:"code"`
}

func (s *baseline) create(c echo.Context) error {
	var args baselineRequest
	check(c.Bind(&args))
	code := fmt.Sprintf("%04d", rand.IntN(10_000))
	check(createScript.EvalSha(c.Request().Context(), s.redis, []string{args.AuthID}, code, attempts, lifetime).Err())
	message := fmt.Sprintf(`{"to":"%s","from":"%s","body":"%s\nWelcome!"}`, args.Recipient, sender, code)
	answer, err := s.http.Post(s.messages, "application/vnd.api+json", strings.NewReader(message))
	check(err)
	defer func() { _ = answer.Body.Close() }()
	must(io.Copy(io.Discard, answer.Body))
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("answer of Flowroute: %s", answer.Status)
	}
	return c.JSON(http.StatusOK, map[string]string{"message": "Success", "auth_id": args.AuthID})
}

func (s *baseline) verify(c echo.Context) error {
	var args baselineRequest
	check(c.Bind(&args))
	switch left := must(checkScript.EvalSha(c.Request().Context(), s.redis, []string{args.AuthID}, args.Code).Int()); left {
	case -1:
		return c.JSON(http.StatusOK, map[string]any{"authenticated": true, "auth_id": args.AuthID})
	case -2:
		return c.JSON(http.StatusBadRequest, map[string]any{"reason": "UnknownAuthId"})
	default:
		return c.JSON(http.StatusBadRequest, map[string]any{"reason": "InvalidAuthCode", "attempts_left": left})
	}
}
