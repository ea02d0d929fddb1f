package lodekey.site_and_network_test

import rego.v1

# The tables of this example, whatever data.json has by now.
example := {
	"berlin": [
		"192.0.2.0/24",
		"2001:db8:b::/48"
	],
	"lisbon": [
		"198.51.100.0/24"
	]
}

# A process of the entry "payments" that asks, and gets what it asks for. Each test below changes one thing.
payments := {
	"time": {"unix": 1763839227, "rfc3339": "2025-11-22T19:20:27Z", "weekday": "saturday", "minute": 1160},
	"node": {"id": "5a0e", "standing": "active", "group": "default", "known": true, "evidence_age": 12},
	"facts": {
		"proved": {"assurance": "hardware"},
		"kernel_measured": {},
		"recorded": {},
		"observed": {"source": "192.0.2.7", "selectors": ["unix:uid:1000"]},
		"declared": {"labels": {"site": "berlin"}},
	},
	"findings": [],
	"entry": {
		"id": "0198",
		"spiffe_id": "spiffe://example.org/payments",
		"selectors": ["unix:uid:1000"],
		"x509_ttl": 3600,
		"jwt_ttl": 300,
		"jwt_audiences": ["*"],
		"expires": 0,
		"prefetch": false,
	},
	"request": {"kind": "x509", "audience": [], "scope": [], "task": "", "ttl": 3600},
}

codes(decision) := [reason.code | some reason in decision.reasons]

from(address) := object.union(payments, {"facts": {"observed": {"source": address}}})

at(site) := object.union(payments, {"facts": {"declared": {"labels": {"site": site}}}})

test_host_at_its_site if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as payments
	decision.allow
}

test_host_at_its_site_over_ipv6 if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from("2001:db8:b::7")
	decision.allow
}

test_ipv4_as_an_issuer_on_ipv6_sees_it if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from("::ffff:192.0.2.7")
	decision.allow
	elsewhere := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from("::ffff:198.51.100.7")
	codes(elsewhere) == ["network-not-allowed"]
}

test_host_at_another_site if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from("198.51.100.7")
	codes(decision) == ["network-not-allowed"]
}

test_address_of_another_family if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from("2001:db8:c::7")
	codes(decision) == ["network-not-allowed"]
}

test_host_of_a_site_without_networks if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as at("atlantis")
	codes(decision) == ["site-unknown"]
}

test_host_without_a_site if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as json.remove(payments, ["facts/declared/labels/site"])
	codes(decision) == ["site-unknown"]
}

test_what_is_no_address_is_at_no_site if {
	every address in ["", "garbage", "192.0.2.7/24", "192.0.2.7:443", "192.0.2.256", "::ffff:", "0x7f.1"] {
		refused_from(address)
	}
}

test_address_that_is_not_said_denies if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as json.remove(payments, ["facts/observed/source"])
	codes(decision) == ["network-not-allowed"]
}

test_range_that_is_none_counts_for_nobody if {
	decision := data.lodekey.issuance.decision with input as payments with data.issuance.site_networks as {"berlin": ["garbage"]}
	codes(decision) == ["network-not-allowed"]
	beside := data.lodekey.issuance.decision with input as payments
		with data.issuance.site_networks as {"berlin": ["garbage", "192.0.2.0/24"]}
	beside.allow
}

test_missing_table_denies if {
	decision := data.lodekey.issuance.decision with input as payments with data.issuance.site_networks as {}
	codes(decision) == ["site-unknown"]
}

refused_from(address) if {
	decision := data.lodekey.issuance.decision with data.issuance.site_networks as example with input as from(address)
	codes(decision) == ["network-not-allowed"]
}
