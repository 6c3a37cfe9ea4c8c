// Package redistest opens a Redis for tests: in this process, a real
// redis-server, one behind sentinels, a cluster, and a proxy that loses
// replies. Everything listens on 127.0.0.1, keeps its files in a directory of
// the test, and is ended with the test that opened it; subtests may share it.
//
// Where redis-server is not installed the test is skipped, or fails if the
// environment has REQUIRE_REDIS=1.
package redistest
