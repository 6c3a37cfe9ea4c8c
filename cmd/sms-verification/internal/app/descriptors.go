package app

import "runtime"

// reserved returns how many of the file descriptors are for other things than
// clients: Redis, Flowroute, files. It leaves half of a small number to clients.
func reserved(descriptors int) int {
	return min(256+20*runtime.GOMAXPROCS(0), descriptors/2)
}

// connectionLimits returns how many connections the public listener and the
// admin listener may have, where maximum is wanted of each. Of few descriptors
// the admin listener gets a quarter, so that it answers whatever the other does.
func connectionLimits(maximum, descriptors int) (public, admin int) {
	room := descriptors - reserved(descriptors)
	if 2*maximum <= room {
		return maximum, maximum
	}
	admin = max(1, min(maximum, room/4))
	return max(1, min(maximum, room-admin)), admin
}
