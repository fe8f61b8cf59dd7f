// Package cloudfoundry runs the app as Cloud Foundry would, against the RLP gateway and the UAA of the simulated
// foundation.
package cloudfoundry
