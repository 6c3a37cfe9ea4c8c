// Package openapi generates Go clients from ../../openapi.yaml with two generators and runs
// them against the built service. ../go.mod has the versions of the generators.
package openapi
