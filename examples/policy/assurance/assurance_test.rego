package lodekey.assurance_test

import rego.v1

# The tables of this example, whatever data.json has by now.
example := [
	"spiffe://example.org/payments"
]

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

emulated := object.union(payments, {"facts": {"proved": {"assurance": "emulator"}}})

codes(decision) := [reason.code | some reason in decision.reasons]

test_hardware_is_enough if {
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as payments
	decision.allow
}

test_emulator_is_not_enough if {
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as emulated
	codes(decision) == ["assurance-too-low"]
	decision.reasons[0].seen == "emulator"
}

test_inventory_alone_is_not_enough if {
	document := object.union(payments, {"facts": {"proved": {"assurance": "inventory"}}})
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as document
	codes(decision) == ["assurance-too-low"]
}

test_other_entries_are_for_all_hosts if {
	document := object.union(emulated, {"entry": {"spiffe_id": "spiffe://example.org/web"}})
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as document
	decision.allow
}

test_assurance_that_is_not_said_denies if {
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as json.remove(payments, ["facts/proved/assurance"])
	codes(decision) == ["assurance-too-low"]
}

test_entry_without_a_name_denies_where_hardware_is_not_shown if {
	decision := data.lodekey.issuance.decision with data.issuance.hardware_only as example with input as json.remove(emulated, ["entry/spiffe_id"])
	"assurance-too-low" in codes(decision)
}

test_missing_list_denies_where_hardware_is_not_shown if {
	decision := data.lodekey.issuance.decision with input as emulated with data.issuance.hardware_only as null
	codes(decision) == ["assurance-too-low"]
}
