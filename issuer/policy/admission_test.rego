package lodekey.admission_test

import rego.v1

# A host of the inventory that has proved its TPM. Each test below changes one thing.
known := {
	"schema": 1,
	"point": "admission",
	"trust_domain": "example.org",
	"time": {"unix": 1763839227, "rfc3339": "2025-11-22T19:20:27Z", "weekday": "saturday", "minute": 1160},
	"node": {"id": "5a0e", "standing": "allowed", "group": "default", "known": true},
	"facts": {
		"proved": {"assurance": "hardware", "assurance_reason": ""},
		"kernel_measured": {},
		"recorded": {},
		"observed": {"source": "192.0.2.7"},
		"declared": {"labels": {}},
	},
	"request": {"kind": "node", "stage": "finish"},
}

unknown := object.union(known, {"node": {"known": false}})

devid := {"facts": {"proved": {"devid": {"subject": "CN=host", "serial": "01", "issuer": "CN=Plant"}}}}

start := {"request": {"stage": "start"}}

approval := [{"kind": "approval"}]

codes(decision) := [reason.code | some reason in decision.reasons]

changed(patch) := object.union(known, patch)

obligations(decision) := [obligation | some obligation in decision.obligations]

test_known_host_enrols if {
	decision := data.lodekey.admission.decision with input as known
	decision.allow
	obligations(decision) == []
	decision.labels == {}
}

test_known_host_starts if {
	decision := data.lodekey.admission.decision with input as changed(start)
	decision.allow
}

test_enrolled_and_refused_hosts_may_enrol_again if {
	every standing in ["active", "refused"] {
		allowed_as(changed({"node": {"standing": standing}}))
	}
}

test_closed_nodes_stay_away if {
	every standing, code in {"removed": "node-removed", "quarantined": "node-quarantined", "barred": "node-barred"} {
		refused_with(changed({"node": {"standing": standing}}), code)
	}
}

test_closed_nodes_stay_away_even_where_anybody_may_come if {
	decision := data.lodekey.admission.decision with input as changed({"node": {"standing": "barred"}})
		with data.admission.unknown as "approval"
		with data.admission.devid as "allow"
	codes(decision) == ["node-barred"]
}

test_unknown_host_is_refused_as_shipped if {
	refused_with(unknown, "ek-not-in-inventory")
	refused_with(object.union(unknown, start), "ek-not-in-inventory")
	refused_with(object.union(unknown, devid), "ek-not-in-inventory")
}

test_no_refusal_costs_a_host_its_standing if {
	decision := data.lodekey.admission.decision with input as unknown
	every reason in decision.reasons {
		reason.message_only
	}
}

test_other_rules_may_object if {
	decision := data.lodekey.admission.decision with input as known with data.lodekey.admission.deny as {{"code": "no-hosts-today"}}
	codes(decision) == ["no-hosts-today"]
}

# Approval.

test_unknown_host_waits_for_approval_where_data_says_so if {
	decision := data.lodekey.admission.decision with input as unknown with data.admission.unknown as "approval"
	decision.allow
	obligations(decision) == approval
}

test_unknown_host_may_start_where_approval_is_a_way_in if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, start) with data.admission.unknown as "approval"
	decision.allow
	obligations(decision) == []
}

test_pending_host_goes_on_waiting if {
	decision := data.lodekey.admission.decision with input as changed({"node": {"standing": "pending"}})
		with data.admission.unknown as "approval"
	obligations(decision) == approval
}

test_pending_host_is_refused_where_approval_is_no_way_in_any_more if {
	refused_with(changed({"node": {"standing": "pending"}}), "ek-not-in-inventory")
}

test_unknown_is_never_a_way_in_without_approval if {
	decision := data.lodekey.admission.decision with input as unknown with data.admission.unknown as "allow"
	not decision.allow
}

test_known_host_waits_for_nobody if {
	decision := data.lodekey.admission.decision with input as known with data.admission.unknown as "approval"
	obligations(decision) == []
}

test_other_rules_may_want_approval if {
	decision := data.lodekey.admission.decision with input as known with data.lodekey.admission.approval as true
	obligations(decision) == approval
}

test_record_that_makes_no_sense_is_no_new_host if {
	every document in [
		object.union(unknown, {"node": {"standing": "active"}}),
		changed({"node": {"standing": "strange"}}),
		object.union(changed({"node": {"standing": "strange"}}), start),
		object.union(unknown, {"request": {"stage": "between"}}),
	] {
		refused_where_anybody_may_come(document)
	}
}

# DevID.

test_devid_lets_in_where_data_says_so if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, devid) with data.admission.devid as "allow"
	decision.allow
	obligations(decision) == []
}

test_devid_in_a_tpm_that_nobody_vouches_for_does_not_count if {
	every assurance in ["inventory", "emulator", "strange"] {
		refused_with_devid_and(assurance)
	}
}

refused_with_devid_and(assurance) if {
	shown := object.union(object.union(unknown, devid), {"facts": {"proved": {"assurance": assurance}}})
	decision := data.lodekey.admission.decision with input as shown with data.admission.devid as "allow"
	not decision.allow
}

test_devid_in_an_emulator_counts_where_data_says_so if {
	shown := object.union(object.union(unknown, devid), {"facts": {"proved": {"assurance": "emulator"}}})
	decision := data.lodekey.admission.decision with input as shown
		with data.admission.devid as "allow"
		with data.admission.devid_assurance as "emulator"
	decision.allow
}

test_devid_with_approval if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, devid) with data.admission.devid as "approval"
	obligations(decision) == approval
}

test_host_may_start_where_devid_is_a_way_in if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, start) with data.admission.devid as "allow"
	decision.allow
}

test_host_without_devid_is_refused_at_the_end if {
	decision := data.lodekey.admission.decision with input as unknown with data.admission.devid as "allow"
	codes(decision) == ["ek-not-in-inventory"]
}

test_devid_that_does_not_count_leaves_approval if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, devid) with data.admission.unknown as "approval"
	obligations(decision) == approval
}

test_devid_that_lets_in_needs_no_approval if {
	decision := data.lodekey.admission.decision with input as object.union(unknown, devid)
		with data.admission.unknown as "approval"
		with data.admission.devid as "allow"
	obligations(decision) == []
}

# Assurance.

test_assurance_too_low if {
	decision := data.lodekey.admission.decision with input as changed({"facts": {"proved": {"assurance": "emulator"}}})
		with data.admission.minimum_assurance as "hardware"
	codes(decision) == ["assurance-too-low"]
}

test_assurance_too_low_says_what_the_certificate_lacks if {
	decision := data.lodekey.admission.decision with input as changed({"facts": {"proved": {
		"assurance": "inventory",
		"assurance_reason": "ek-certificate-absent",
	}}})
		with data.admission.minimum_assurance as "hardware"
	codes(decision) == ["ek-certificate-absent"]
}

test_assurance_is_enough if {
	decision := data.lodekey.admission.decision with input as known with data.admission.minimum_assurance as "hardware"
	decision.allow
}

# Labels.

test_new_node_gets_the_labels_of_data if {
	decision := data.lodekey.admission.decision with input as known with data.admission.labels as {"site": "berlin"}
	decision.labels == {"site": "berlin"}
}

# What is missing denies.

test_every_missing_field_denies if {
	every path in [
		"node", "node/known", "node/standing", "facts", "facts/proved/assurance", "request", "request/stage",
	] {
		refused(json.remove(known, [path]))
	}
}

test_missing_data_denies if {
	decision := data.lodekey.admission.decision with input as known with data.admission as {}
	not decision.allow
	unknown_decision := data.lodekey.admission.decision with input as unknown with data.admission as {"minimum_assurance": "inventory"}
	not unknown_decision.allow
}

allowed_as(document) if {
	decision := data.lodekey.admission.decision with input as document
	decision.allow
}

refused(document) if {
	decision := data.lodekey.admission.decision with input as document
	not decision.allow
	count(decision.reasons) > 0
}

refused_where_anybody_may_come(document) if {
	decision := data.lodekey.admission.decision with input as document
		with data.admission.unknown as "approval"
		with data.admission.devid as "approval"
	not decision.allow
}

refused_with(document, code) if {
	decision := data.lodekey.admission.decision with input as document
	not decision.allow
	codes(decision) == [code]
}
