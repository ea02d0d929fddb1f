// The verbs, by group. Each function adds its subcommands; one that is given on the command line
// sets Session::verb.
#pragma once

namespace CLI {
class App;
}

namespace lodekey::cli {

class Session;

void AddIdentityCommands(CLI::App& app, Session& session);  // enroll, unenroll, attest, status
void AddExplainCommand(CLI::App& app, Session& session);
void AddSvidCommands(CLI::App& app, Session& session);
void AddWorkloadCommands(CLI::App& app, Session& session);
void AddEkCommand(CLI::App& app, Session& session);
void AddDoctorCommand(CLI::App& app, Session& session);
void AddNodeCommands(CLI::App& app, Session& session);
// node import; node pending, approve, deny: beneath `node`.
void AddNodeImport(CLI::App& group, Session& session);
void AddNodeApproval(CLI::App& group, Session& session);
void AddEntryCommands(CLI::App& app, Session& session);
// entry import, beneath `entry`.
void AddEntryImport(CLI::App& group, Session& session);
void AddPolicyCommands(CLI::App& app, Session& session);
void AddAuditCommands(CLI::App& app, Session& session);
// audit search; audit export and audit input: beneath `audit`.
void AddAuditSearch(CLI::App& group, Session& session);
void AddAuditExport(CLI::App& group, Session& session);
void AddBundleCommands(CLI::App& app, Session& session);
void AddSuggestCommand(CLI::App& group, Session& session);  // entry suggest
void AddConfigCommands(CLI::App& app, Session& session);    // config show, version

// --pid, a positive number.
void AddPidOption(CLI::App& verb, int& pid);

// --detailed-exitcode, for a verb that changes something.
void AddChangeFlag(CLI::App& verb, Session& session);

}  // namespace lodekey::cli
