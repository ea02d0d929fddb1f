package lodekey.time_window_test

import rego.v1

# The tables of this example, whatever data.json has by now.
example := {
	"spiffe://example.org/deploy": [
		{
			"days": [
				"monday",
				"tuesday",
				"wednesday",
				"thursday",
				"friday"
			],
			"from": 8,
			"to": 17.5
		}
	],
	"spiffe://example.org/backup": [
		{
			"days": [
				"friday",
				"saturday"
			],
			"from": 22,
			"to": 6
		}
	]
}

# A process of the entry "deploy" that asks, and gets what it asks for. Each test below changes one thing.
deploy := {
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
		"spiffe_id": "spiffe://example.org/deploy",
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

saturday := 1763769600

# `day` days and `hour` hours after the Saturday on which 22 November 2025 begins.
at(document, weekday, day, hour) := object.union(document, {"time": {
	"unix": saturday + (day * 86400) + (hour * 3600),
	"weekday": weekday,
}})

backup := object.union(deploy, {"entry": {"spiffe_id": "spiffe://example.org/backup"}})

test_within_the_window if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as at(deploy, "monday", 2, 8)
	decision.allow
	decision.ttl == 3600
}

test_before_and_after_the_window if {
	closed(at(deploy, "monday", 2, 7.75))
	closed(at(deploy, "monday", 2, 17.5))
}

test_on_another_day if {
	closed(at(deploy, "saturday", 0, 12))
}

test_credential_ends_with_the_window if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as at(deploy, "friday", 6, 17)
	decision.ttl == 1800
}

test_window_over_midnight_begins_on_its_day if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as at(backup, "friday", 6, 22)
	decision.allow
	closed(at(backup, "friday", 6, 21))
	closed(at(backup, "sunday", 1, 22))
}

test_window_over_midnight_ends_on_the_next_day if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as at(backup, "sunday", 1, 5.5)
	decision.ttl == 1800
	closed(at(backup, "sunday", 1, 6))
	closed(at(backup, "friday", 6, 5))
}

test_window_over_midnight_leaves_a_whole_night if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as at(object.union(backup, {"entry": {"x509_ttl": 86400}, "request": {"ttl": 86400}}), "friday", 6, 22)
	decision.ttl == 28800
}

test_window_of_a_whole_day if {
	decision := data.lodekey.issuance.decision with input as at(deploy, "sunday", 1, 23)
		with data.issuance.time_windows as {"spiffe://example.org/deploy": [{"days": ["sunday"], "from": 0, "to": 24}]}
	decision.allow
	decision.ttl == 3600
}

test_other_entries_have_no_hours if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as object.union(deploy, {"entry": {"spiffe_id": "spiffe://example.org/web"}})
	decision.allow
}

test_entry_without_windows_is_never_given_out if {
	decision := data.lodekey.issuance.decision with input as deploy with data.issuance.time_windows as {"spiffe://example.org/deploy": []}
	codes(decision) == ["outside-time-window"]
}

test_what_is_missing_denies if {
	every path in ["time", "time/unix", "time/weekday", "entry/spiffe_id"] {
		closed_among_others(json.remove(at(deploy, "monday", 2, 8), [path]))
	}
	decision := data.lodekey.issuance.decision with input as at(deploy, "monday", 2, 8) with data.issuance.time_windows as null
	codes(decision) == ["outside-time-window"]
}

test_window_without_an_end_is_closed if {
	decision := data.lodekey.issuance.decision with input as at(deploy, "monday", 2, 8)
		with data.issuance.time_windows as {"spiffe://example.org/deploy": [{"days": ["monday"], "from": 0}]}
	codes(decision) == ["outside-time-window"]
}

closed_among_others(document) if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as document
	"outside-time-window" in codes(decision)
}

closed(document) if {
	decision := data.lodekey.issuance.decision with data.issuance.time_windows as example with input as document
	codes(decision) == ["outside-time-window"]
}
