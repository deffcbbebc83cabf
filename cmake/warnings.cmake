# One place for what every C file is compiled and linked with.
add_library(hadron_flags INTERFACE)
target_compile_options(hadron_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wundef -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
  -Wvla -Werror -fno-strict-aliasing -ffp-contract=off -fno-common -fstack-protector-strong -fvisibility=hidden)
target_compile_definitions(hadron_flags INTERFACE _GNU_SOURCE)
target_link_options(hadron_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -DHD_RELEASE=1")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -DHD_DEBUG=1")
if(HADRON_SANITIZE)
  target_compile_options(hadron_flags INTERFACE -fsanitize=${HADRON_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(hadron_flags INTERFACE -fsanitize=${HADRON_SANITIZE})
else()
  target_compile_options(hadron_flags INTERFACE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
endif()
include(CheckPIESupported)
check_pie_supported()
