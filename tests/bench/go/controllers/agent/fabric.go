package main

import (
	"fmt"
	"net/netip"
)

// entry is a guest's interface on this node, or the way to one on another.
type entry struct {
	vni               int64
	ipv4, mac, hostIP string
	local             bool
}

// fabric is in memory, as the back end `memory` of edged's netfabric.
type fabric struct {
	entries map[string]entry
	verbose bool
}

// set makes an entry. One that is there already with other values is taken away first.
func (f *fabric) set(key string, wanted entry) {
	if f.entries[key] == wanted {
		return
	}
	f.remove(key)
	f.entries[key] = wanted
	f.say("has", key, wanted)
}

func (f *fabric) remove(key string) {
	if known, ok := f.entries[key]; ok {
		delete(f.entries, key)
		f.say("lost", key, known)
	}
}

func (f *fabric) say(what, key string, about entry) {
	if f.verbose {
		fmt.Println(what, key, about.vni, about.ipv4, about.hostIP)
	}
}

// macAddress of a guest: it follows from the network and the address, and no two guests have the same.
func macAddress(vni int64, ipv4 string) (string, error) {
	address, err := netip.ParseAddr(ipv4)
	if err != nil || !address.Is4() {
		return "", fmt.Errorf("%q is no IPv4 address", ipv4)
	}
	part, number := address.As4(), uint32(vni)
	first := byte(number>>16)<<3 | (part[0]>>1&1)<<2 | 2
	bytes := [6]byte{first, part[1], part[2], part[3], byte(number >> 8), byte(number)}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]), nil
}
