package lodekey.fresh_evidence_test

import rego.v1

# The tables of this example, whatever data.json has by now.
example := {
	"entries": {
		"spiffe://example.org/payments": 60
	},
	"audiences": {
		"vault": 120
	}
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

other := object.union(payments, {"entry": {"spiffe_id": "spiffe://example.org/web"}})

token := object.union(other, {"request": {"kind": "jwt", "audience": ["vault", "db"]}})

codes(decision) := [reason.code | some reason in decision.reasons]

obligations(decision) := [obligation | some obligation in decision.obligations]

aged(document, age) := object.union(document, {"node": {"evidence_age": age}})

test_young_evidence_is_enough if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(payments, 60)
	decision.allow
	obligations(decision) == []
}

test_old_evidence_is_made_anew if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(payments, 61)
	decision.allow
	obligations(decision) == [{"kind": "evidence", "within": 60}]
}

test_other_entries_do_not_wait if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(other, 500)
	obligations(decision) == []
}

test_audience_has_a_limit_of_its_own if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(token, 121)
	obligations(decision) == [{"kind": "evidence", "within": 120}]
	young := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(token, 120)
	obligations(young) == []
}

test_the_shorter_limit_counts if {
	both := object.union(token, {"entry": {"spiffe_id": "spiffe://example.org/payments"}})
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as aged(both, 121)
	obligations(decision) == [{"kind": "evidence", "within": 60}]
}

test_missing_table_denies if {
	every table in [{}, {"entries": {}}, {"audiences": {}}] {
		refused_with_table(table)
	}
}

test_request_without_audiences_denies if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as json.remove(payments, ["request/audience"])
	codes(decision) == ["fresh-evidence-unknown"]
}

refused_with_table(table) if {
	decision := data.lodekey.issuance.decision with input as payments with data.issuance.fresh_evidence as table
	codes(decision) == ["fresh-evidence-unknown"]
}

test_entry_without_a_name_denies if {
	decision := data.lodekey.issuance.decision with data.issuance.fresh_evidence as example with input as json.remove(payments, ["entry/spiffe_id"])
	"fresh-evidence-unknown" in codes(decision)
}
