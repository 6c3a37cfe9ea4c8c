// Package test holds the tests of the Helm chart. They lint and render it with
// Helm's own packages, decode every object strictly into the types of
// Kubernetes, and run the built service as a pod would.
//
// go test -update writes what is generated: the settings in
// values.schema.json and the table of values in the chart's README.md.
package test
