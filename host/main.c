// The program `hadron`. See cli/cli.h.
#include "cli/cli.h"

int main(int argc, char **argv) { return hd_cli_main(argc, argv); }
