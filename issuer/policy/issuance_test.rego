package lodekey.issuance_test

import rego.v1

# A process that asks for the X.509-SVID of its entry. Each test below changes one thing.
x509 := {
	"schema": 1,
	"point": "issuance",
	"trust_domain": "example.org",
	"time": {"unix": 1763839227, "rfc3339": "2025-11-22T19:20:27Z", "weekday": "saturday", "minute": 1160},
	"node": {
		"id": "5a0e",
		"spiffe_id": "spiffe://example.org/node/5a0e",
		"standing": "active",
		"group": "default",
		"known": true,
		"created": 1763000000,
		"enrolled": 1763839000,
		"evidence_time": 1763839215,
		"evidence_age": 12,
	},
	"facts": {
		"proved": {"assurance": "hardware"},
		"kernel_measured": {},
		"recorded": {},
		"observed": {"source": "192.0.2.7", "selectors": ["unix:uid:1000", "unix:gid:1000", "systemd:unit:app.service"]},
		"declared": {"labels": {"site": "berlin"}},
	},
	"findings": [],
	"entry": {
		"id": "0198",
		"revision": 1,
		"spiffe_id": "spiffe://example.org/app",
		"selectors": ["unix:uid:1000", "systemd:unit:app.service"],
		"x509_ttl": 3600,
		"jwt_ttl": 300,
		"dns_names": [],
		"common_name": "",
		"hint": "",
		"jwt_audiences": ["db", "queue"],
		"owner": "",
		"expires": 0,
		"prefetch": false,
	},
	"request": {"kind": "x509", "audience": [], "scope": [], "task": "", "ttl": 3600},
}

jwt := object.union(x509, {"request": {"kind": "jwt", "audience": ["db"], "ttl": 300}})

codes(decision) := [reason.code | some reason in decision.reasons]

changed(patch) := object.union(x509, patch)

obligations(decision) := [obligation | some obligation in decision.obligations]

test_process_gets_its_certificate if {
	decision := data.lodekey.issuance.decision with input as x509
	decision.allow
	decision.rule == "lodekey.issuance.allowed"
	decision.ttl == 3600
	obligations(decision) == []
}

test_process_gets_its_token if {
	decision := data.lodekey.issuance.decision with input as jwt
	decision.allow
	decision.ttl == 300
}

test_any_task_may_be_named if {
	decision := data.lodekey.issuance.decision with input as changed({"request": {"task": "nightly backup"}})
	decision.allow
}

# The host.

test_host_that_is_not_in_good_standing if {
	every standing, code in {
		"allowed": "node-not-enrolled",
		"refused": "node-refused",
		"removed": "node-removed",
		"quarantined": "node-quarantined",
		"pending": "approval-pending",
		"barred": "node-barred",
	} {
		refused_with(changed({"node": {"standing": standing}}), code)
	}
}

test_evidence_from_the_future if {
	decision := data.lodekey.issuance.decision with input as changed({"node": {"evidence_age": -1}})
	codes(decision) == ["time-went-back"]
	decision.reasons[0].message_only
}

test_other_rules_may_object if {
	decision := data.lodekey.issuance.decision with input as x509 with data.lodekey.issuance.deny as {{"code": "lunch"}}
	codes(decision) == ["lunch"]
}

# Selectors.

test_process_lacks_a_selector if {
	refused_with(changed({"facts": {"observed": {"selectors": ["unix:uid:1000"]}}}), "selectors-missing")
}

test_refusal_names_the_selector if {
	decision := data.lodekey.issuance.decision with input as changed({"facts": {"observed": {"selectors": ["unix:uid:1000"]}}})
	decision.reasons[0].text == "the process lacks systemd:unit:app.service"
}

test_refusal_of_many_selectors_stays_short if {
	held := [concat("", ["unix:path:/", long, text]) | some number in numbers.range(1, 9); text := sprintf("%v", [number])]
	decision := data.lodekey.issuance.decision with input as changed({"facts": {"observed": {"selectors": held}}})
	codes(decision) == ["selectors-missing"]
	count(decision.reasons[0].seen) <= 1024
}

long := concat("", ["x" | some _ in numbers.range(1, 900)])

test_entry_without_selectors_is_for_nobody if {
	refused_with(changed({"entry": {"selectors": []}}), "selectors-missing")
}

test_nobody_asks if {
	refused_with(changed({"facts": {"observed": {"selectors": []}}}), "not-prefetched")
}

test_prefetched_entry_is_given_while_nobody_asks if {
	decision := data.lodekey.issuance.decision with input as changed({
		"facts": {"observed": {"selectors": []}},
		"entry": {"prefetch": true},
	})
	decision.allow
}

test_prefetched_entry_is_not_for_another_process if {
	refused_with(
		changed({"facts": {"observed": {"selectors": ["unix:uid:1000"]}}, "entry": {"prefetch": true}}),
		"selectors-missing",
	)
}

test_selector_of_a_better_grade_than_observed if {
	every grade in ["proved", "kernel_measured", "recorded", "declared"] {
		refused_with(changed({"facts": {grade: {"selectors": ["unix:uid:1000"]}}}), "selector-grade")
	}
}

test_selector_of_a_better_grade_does_not_count if {
	document := changed({"facts": {
		"observed": {"selectors": ["unix:uid:1000"]},
		"proved": {"selectors": ["systemd:unit:app.service"]},
	}})
	decision := data.lodekey.issuance.decision with input as document
	{code | some code in codes(decision)} == {"selectors-missing", "selector-grade"}
}

# The entry's end.

test_entry_that_ended if {
	refused_with(changed({"entry": {"expires": 1763839227}}), "entry-expired")
	refused_with(changed({"entry": {"expires": 1763839228}}), "entry-expired")
}

test_credential_ends_with_its_entry if {
	decision := data.lodekey.issuance.decision with input as changed({"entry": {"expires": 1763839327}})
	decision.allow
	decision.ttl == 100
}

# Lifetime.

test_shorter_lifetime_may_be_asked_for if {
	decision := data.lodekey.issuance.decision with input as changed({"request": {"ttl": 60}})
	decision.ttl == 60
}

test_longer_lifetime_is_not_given if {
	decision := data.lodekey.issuance.decision with input as changed({"request": {"ttl": 86400}})
	decision.ttl == 3600
}

test_lifetime_that_nobody_asked_for if {
	decision := data.lodekey.issuance.decision with input as changed({"request": {"ttl": 0}})
	decision.ttl == 3600
}

# Audiences.

test_audience_that_the_entry_does_not_allow if {
	refused_with(object.union(jwt, {"request": {"audience": ["bank"]}}), "audience-not-allowed")
}

test_one_of_two_audiences_is_not_allowed if {
	decision := data.lodekey.issuance.decision with input as object.union(jwt, {"request": {"audience": ["db", "bank"]}})
	codes(decision) == ["audience-not-allowed"]
	decision.reasons[0].text == "the entry allows no JWT-SVID for the audience 'bank'"
}

test_any_audience_where_the_entry_says_so if {
	decision := data.lodekey.issuance.decision with input as object.union(jwt, {
		"request": {"audience": ["bank"]},
		"entry": {"jwt_audiences": ["*"]},
	})
	decision.allow
}

test_star_is_no_wildcard_within_a_name if {
	refused_with(
		object.union(jwt, {"request": {"audience": ["bank"]}, "entry": {"jwt_audiences": ["b*"]}}),
		"audience-not-allowed",
	)
}

test_token_for_no_audience if {
	refused_with(object.union(jwt, {"request": {"audience": []}}), "audience-not-allowed")
}

test_token_of_an_entry_without_audiences if {
	refused_with(object.union(jwt, {"entry": {"jwt_audiences": []}}), "audience-not-allowed")
}

test_kind_that_nobody_knows if {
	refused_with(changed({"request": {"kind": "ssh", "ttl": 60}}), "kind-unknown")
}

# Scopes.

test_no_scope_may_be_asked_for_as_shipped if {
	refused_with(object.union(jwt, {"request": {"scope": ["read"]}}), "scope-not-allowed")
}

test_scope_of_data_may_be_asked_for if {
	decision := data.lodekey.issuance.decision with input as object.union(jwt, {"request": {"scope": ["read"]}})
		with data.issuance.scopes as ["read", "write"]
	decision.allow
}

test_scope_beside_one_of_data if {
	decision := data.lodekey.issuance.decision with input as object.union(jwt, {"request": {"scope": ["read", "admin"]}})
		with data.issuance.scopes as ["read", "write"]
	codes(decision) == ["scope-not-allowed"]
}

# Age of the evidence.

test_young_evidence_is_enough if {
	decision := data.lodekey.issuance.decision with input as x509 with data.issuance.evidence_within as 60
	decision.allow
	obligations(decision) == []
}

test_old_evidence_has_to_be_made_anew if {
	decision := data.lodekey.issuance.decision with input as changed({"node": {"evidence_age": 61}})
		with data.issuance.evidence_within as 60
	decision.allow
	obligations(decision) == [{"kind": "evidence", "within": 60}]
}

test_limit_that_is_no_number_denies if {
	decision := data.lodekey.issuance.decision with input as x509 with data.issuance.evidence_within as "60"
	codes(decision) == ["limit-not-a-number"]
}

# What is missing denies.

test_every_missing_field_denies if {
	every path in [
		"node", "node/standing", "node/evidence_age", "facts", "facts/observed", "facts/observed/selectors",
		"entry", "entry/selectors", "entry/expires", "entry/jwt_audiences", "request", "request/kind",
		"request/audience", "request/scope",
	] {
		refused(json.remove(jwt, [path]))
	}
}

test_prefetch_without_the_list_of_selectors_denies if {
	document := changed({"facts": {"observed": {"selectors": []}}, "entry": {"prefetch": true}})
	refused(json.remove(document, ["facts/observed/selectors"]))
	refused(json.remove(document, ["entry/prefetch"]))
}

test_time_that_is_missing_denies_for_an_entry_with_an_end if {
	refused(json.remove(changed({"entry": {"expires": 1763839327}}), ["time"]))
}

test_no_lifetime_at_all_denies if {
	document := json.remove(changed({"request": {"ttl": 0}}), ["entry/x509_ttl"])
	decision := data.lodekey.issuance.decision with input as document
	codes(decision) == ["input-incomplete"]
}

refused(document) if {
	decision := data.lodekey.issuance.decision with input as document
	not decision.allow
	count(decision.reasons) > 0
}

refused_with(document, code) if {
	decision := data.lodekey.issuance.decision with input as document
	not decision.allow
	codes(decision) == [code]
}
