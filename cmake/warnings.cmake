# One place for what every C file is compiled and linked with.
add_library(hadron_flags INTERFACE)
target_compile_options(hadron_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wundef -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
  -Wvla -Werror -fno-strict-aliasing -ffp-contract=off -fno-common -fstack-protector-strong -fvisibility=hidden)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # Sums that may overflow are all made, then asked about once: `|` between calls is meant.
  target_compile_options(hadron_flags INTERFACE -Wno-bitwise-instead-of-logical)
endif()
target_compile_definitions(hadron_flags INTERFACE _GNU_SOURCE)
target_link_options(hadron_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -DHD_RELEASE=1")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -DHD_DEBUG=1")
if(HADRON_SANITIZE)
  target_compile_options(hadron_flags INTERFACE -fsanitize=${HADRON_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(hadron_flags INTERFACE -fsanitize=${HADRON_SANITIZE})
  if(HADRON_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(hadron_flags INTERFACE -Wno-tsan) # it does not see fences: pipeline/mark.h has two
  endif()
  if(HADRON_SANITIZE MATCHES "undefined")
    target_compile_options(hadron_flags INTERFACE -fno-sanitize-recover=undefined) # a finding fails the test
  endif()
else()
  target_compile_options(hadron_flags INTERFACE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
endif()
if(HADRON_FUZZ)
  target_compile_options(hadron_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
include(CheckPIESupported)
check_pie_supported()
