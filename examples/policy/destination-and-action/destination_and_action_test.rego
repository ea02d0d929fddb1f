package lodekey.destination_and_action_test

import rego.v1

# The tables of this example, whatever data.json has by now.
example := {
	"spiffe://example.org/orders": {
		"db": [
			"read",
			"write"
		],
		"archive": [
			"read"
		],
		"queue": []
	}
}

# A process of the entry "orders" that asks, and gets what it asks for. Each test below changes one thing.
jwt := {
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
		"spiffe_id": "spiffe://example.org/orders",
		"selectors": ["unix:uid:1000"],
		"x509_ttl": 3600,
		"jwt_ttl": 300,
		"jwt_audiences": ["*"],
		"expires": 0,
		"prefetch": false,
	},
	"request": {"kind": "jwt", "audience": ["db"], "scope": [], "task": "", "ttl": 300},
}

codes(decision) := [reason.code | some reason in decision.reasons]

asks(audiences, scopes) := object.union(jwt, {"request": {"audience": audiences, "scope": scopes}})

allowed(document) if {
	decision := data.lodekey.issuance.decision with data.issuance.destinations as example with input as document
	decision.allow
}

refused_with(document, code) if {
	decision := data.lodekey.issuance.decision with data.issuance.destinations as example with input as document
	codes(decision) == [code]
}

test_destination_of_the_table if {
	allowed(asks(["db"], []))
	allowed(asks(["queue"], []))
	allowed(asks(["db", "archive"], []))
}

test_action_of_the_table if {
	allowed(asks(["db"], ["read", "write"]))
	allowed(asks(["db", "archive"], ["read"]))
}

test_another_destination if {
	refused_with(asks(["bank"], []), "destination-not-allowed")
	refused_with(asks(["db", "bank"], []), "destination-not-allowed")
}

test_another_action if {
	refused_with(asks(["archive"], ["write"]), "scope-not-allowed")
	refused_with(asks(["queue"], ["read"]), "scope-not-allowed")
	refused_with(asks(["db"], ["read", "drop"]), "scope-not-allowed")
}

test_action_that_only_one_of_two_destinations_knows if {
	refused_with(asks(["db", "archive"], ["write"]), "scope-not-allowed")
}

test_workload_that_is_not_listed if {
	web := {"entry": {"spiffe_id": "spiffe://example.org/web"}}
	allowed(object.union(asks(["bank"], []), web))
	refused_with(object.union(asks(["db"], ["read"]), web), "scope-not-allowed")
}

test_workload_with_an_empty_table if {
	decision := data.lodekey.issuance.decision with input as jwt
		with data.issuance.destinations as {"spiffe://example.org/orders": {}}
	codes(decision) == ["destination-not-allowed"]
}

test_certificates_are_not_concerned if {
	certificate := object.union(jwt, {"request": {"kind": "x509", "audience": []}})
	allowed(certificate)
	refused_with(object.union(certificate, {"request": {"scope": ["read"]}}), "scope-not-allowed")
}

test_what_is_missing_denies if {
	nameless := data.lodekey.issuance.decision with data.issuance.destinations as example with input as json.remove(jwt, ["entry/spiffe_id"])
	"destination-not-allowed" in codes(nameless)
	decision := data.lodekey.issuance.decision with input as jwt with data.issuance.destinations as null
	codes(decision) == ["destination-not-allowed"]
	not allowed(json.remove(jwt, ["request/audience"]))
	not allowed(json.remove(jwt, ["request/kind"]))
}
