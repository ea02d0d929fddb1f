package lodekey.standing_test

import rego.v1

# A host about which there is nothing to say. Each test below changes one thing.
good := {
	"schema": 1,
	"point": "standing",
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
		"evidence_time": 1763839220,
		"evidence_age": 7,
	},
	"facts": {
		"proved": {
			"assurance": "hardware",
			"attestation_key": "same",
			"firmware_changed": "no",
			"firmware_version": "0x2",
		},
		"kernel_measured": {},
		"recorded": {"ledger_register": "13", "ledger_touched": "no"},
		"observed": {"source": "192.0.2.7"},
		"declared": {"labels": {}, "reference_values": "2 registers of group 'default'"},
	},
	"findings": [],
	"request": {"kind": "node"},
}

finding := {
	"code": "pcr-not-approved",
	"subject": "PCR 8 (sha256)",
	"expected": "00",
	"seen": "11",
	"accept": "lodekey node approve-pcrs 5a0e --pcr 8",
}

codes(decision) := [reason.code | some reason in decision.reasons]

heavy(decision) := [reason.code | some reason in decision.reasons; not reason.message_only == true]

changed(patch) := object.union(good, patch)

without(path) := json.remove(good, [path])

test_good_host_keeps_its_identity if {
	data.lodekey.standing.decision == {"allow": true, "rule": "lodekey.standing.allowed"} with input as good
}

test_finding_denies_with_what_the_verifier_said if {
	decision := data.lodekey.standing.decision with input as changed({"findings": [finding]})
	not decision.allow
	some reason in decision.reasons
	object.subset(reason, finding)
	heavy(decision) == ["pcr-not-approved"]
}

test_accepted_finding_does_not_deny if {
	decision := data.lodekey.standing.decision with input as changed({"findings": [finding]})
		with data.appraisal.accept_findings as ["pcr-not-approved"]
	decision.allow
}

test_finding_beside_an_accepted_one_denies if {
	other := object.union(finding, {"code": "boot-log-changed"})
	decision := data.lodekey.standing.decision with input as changed({"findings": [finding, other]})
		with data.appraisal.accept_findings as ["pcr-not-approved"]
	codes(decision) == ["boot-log-changed"]
}

test_finding_without_a_code_denies if {
	decision := data.lodekey.standing.decision with input as changed({"findings": [{"subject": "PCR 8"}]})
	codes(decision) == ["finding-without-code"]
}

test_findings_absent_deny if {
	decision := data.lodekey.standing.decision with input as without("findings")
	codes(decision) == ["findings-absent"]
	heavy(decision) == []
}

test_no_more_reasons_than_are_read_and_those_of_the_host_first if {
	many := [object.union(finding, {"subject": sprintf("PCR %v", [number])}) | some number in numbers.range(1, 40)]
	decision := data.lodekey.standing.decision with input as changed({"findings": many, "node": {"evidence_age": -1}})
	count(decision.reasons) == 32
	count(heavy(decision)) == 32
}

test_long_texts_are_clipped if {
	long := concat("", ["x" | some _ in numbers.range(1, 5000)])
	longer := concat("", array.concat([long], [long]))
	decision := data.lodekey.standing.decision with input as changed({"findings": [object.union(finding, {"seen": longer})]})
	count(decision.reasons[0].seen) <= 1024
}

# The attestation key.

test_approved_key_is_accepted if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"proved": {"attestation_key": "approved"}}})
	decision.allow
}

test_new_key_is_refused_and_the_host_stays_what_it_was if {
	decision := data.lodekey.standing.decision with input as changed({
		"facts": {"proved": {"attestation_key": "new"}},
		"findings": [finding],
	})
	not decision.allow
	"ak-not-approved" in codes(decision)
	heavy(decision) == []
}

test_new_key_is_accepted_where_data_says_so if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"proved": {"attestation_key": "new"}}})
		with data.appraisal.accept_new_ak as true
	decision.allow
}

test_any_other_word_denies_whatever_the_switches_say if {
	every patch in [
		{"proved": {"attestation_key": "maybe"}},
		{"recorded": {"ledger_touched": "maybe"}},
		{"proved": {"firmware_changed": "maybe"}},
	] {
		refused_with_open_switches(changed({"facts": patch}))
	}
}

test_other_rules_may_object if {
	decision := data.lodekey.standing.decision with input as good with data.lodekey.standing.deny as {{"code": "not-on-fridays"}}
	heavy(decision) == ["not-on-fridays"]
}

# The ledger.

test_missing_claim_denies if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"recorded": {"ledger_register": "absent"}}})
	heavy(decision) == ["claim-missing"]
}

test_missing_claim_is_accepted_where_data_says_so if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"recorded": {"ledger_register": "absent"}}})
		with data.appraisal.require_claim as false
	decision.allow
}

test_touched_ledger_denies if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"recorded": {"ledger_touched": "yes"}}})
	heavy(decision) == ["ledger-touched"]
}

test_touched_ledger_is_accepted_where_data_says_so if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"recorded": {"ledger_touched": "yes"}}})
		with data.appraisal.accept_touched_ledger as true
	decision.allow
}

# Firmware.

test_new_firmware_is_accepted_as_shipped if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"proved": {"firmware_changed": "yes"}}})
	decision.allow
}

test_new_firmware_denies_where_data_says_so if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"proved": {"firmware_changed": "yes"}}})
		with data.appraisal.accept_firmware_change as false
	heavy(decision) == ["firmware-changed"]
}

# Reference values.

test_group_without_references_is_accepted_as_shipped if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"declared": {"reference_values": "absent"}}})
	decision.allow
}

test_group_without_references_denies_where_data_says_so if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"declared": {"reference_values": "absent"}}})
		with data.appraisal.require_references as true
	heavy(decision) == ["references-absent"]
}

# Assurance.

test_assurance_is_enough if {
	decision := data.lodekey.standing.decision with input as good with data.admission.minimum_assurance as "hardware"
	decision.allow
}

test_assurance_too_low if {
	decision := data.lodekey.standing.decision with input as changed({"facts": {"proved": {"assurance": "emulator"}}})
		with data.admission.minimum_assurance as "hardware"
	heavy(decision) == ["assurance-too-low"]
}

test_wrong_word_in_data_costs_no_host_its_identity if {
	decision := data.lodekey.standing.decision with input as good with data.admission.minimum_assurance as "hardwear"
	codes(decision) == ["data-invalid"]
	heavy(decision) == []
}

# Time.

test_evidence_from_the_future_is_refused_and_the_host_stays_what_it_was if {
	decision := data.lodekey.standing.decision with input as changed({"node": {"evidence_age": -1}})
	codes(decision) == ["time-went-back"]
	heavy(decision) == []
}

# What is missing denies, and is no fault of the host.

test_every_missing_fact_denies if {
	every path in [
		"node/evidence_age", "node", "facts", "facts/proved", "facts/recorded", "facts/declared",
		"facts/proved/assurance", "facts/proved/attestation_key", "facts/proved/firmware_changed",
		"facts/recorded/ledger_register", "facts/recorded/ledger_touched", "facts/declared/reference_values",
		"findings",
	] {
		refused_gently(without(path))
	}
}

test_missing_register_denies_where_a_claim_is_not_wanted if {
	decision := data.lodekey.standing.decision with input as without("facts/recorded/ledger_register")
		with data.appraisal.require_claim as false
	codes(decision) == ["fact-missing"]
}

test_missing_switches_are_strict if {
	every case in [
		[{"facts": {"proved": {"attestation_key": "new"}}}, "ak-not-approved"],
		[{"facts": {"recorded": {"ledger_register": "absent"}}}, "claim-missing"],
		[{"facts": {"recorded": {"ledger_touched": "yes"}}}, "ledger-touched"],
		[{"facts": {"proved": {"firmware_changed": "yes"}}}, "firmware-changed"],
		[{"facts": {"declared": {"reference_values": "absent"}}}, "references-absent"],
		[{"findings": [finding]}, "pcr-not-approved"],
	] {
		case[1] in codes_without_switches(changed(case[0]))
	}
}

refused_gently(document) if {
	decision := data.lodekey.standing.decision with input as document
	not decision.allow
	count(decision.reasons) > 0
	heavy(decision) == []
}

refused_with_open_switches(document) if {
	decision := data.lodekey.standing.decision with input as document
		with data.appraisal.accept_new_ak as true
		with data.appraisal.accept_touched_ledger as true
		with data.appraisal.accept_firmware_change as true
	codes(decision) == ["input-incomplete"]
}

codes_without_switches(document) := found if {
	decision := data.lodekey.standing.decision with input as document with data.appraisal as {}
	found := codes(decision)
}
