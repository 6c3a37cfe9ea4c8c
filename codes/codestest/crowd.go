package codestest

import "sync"

// crowd is how many calls the suites make at the same time: many times what
// any limit in them lets through, and few enough that the slowest backend
// answers the last of them within the time of a call. That is miniredis under
// the race detector, with some 2 ms a script on a quiet machine.
const crowd = 40

// together runs a crowd of calls that all start at once, and waits for them.
func together(call func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range crowd {
		wg.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	wg.Wait()
}
