// Package redistest starts Redis for tests: in this process, as a redis-server, behind
// sentinels or as a cluster. Its Proxy loses replies, delays requests and cuts
// connections. Everything listens on 127.0.0.1, keeps its files in a directory of the
// test, and ends with the test that started it; subtests may share it.
//
// Where redis-server is not installed the test is skipped, or fails if the
// environment has REQUIRE_REDIS=1.
package redistest
