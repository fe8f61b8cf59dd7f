// Package grafana makes the dashboards of deploy/grafana, and its tests hold every query of theirs against a real
// Prometheus. It is a package of the tests' module, so that Grafana's SDK stays out of the product's dependencies.
package grafana

// boards are all dashboards, in the order of the documentation.
func boards() []*board {
	return []*board{
		foundationBoard(),
		runtimeBoard(),
		routerBoard(),
		diegoBoard(),
		controllerBoard(),
		loggregatorBoard(),
		servicesBoard(),
		applicationsBoard(),
		exporterBoard(),
	}
}
