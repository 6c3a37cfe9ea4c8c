// Package openapitest generates Go clients from ../openapi.yaml with two
// generators, and runs them against the built service. The versions of the
// generators are in go.mod.
package openapitest
