// Package telemetry measures and traces a running service.
package telemetry
