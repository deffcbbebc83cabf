# The host's objects carry both machine code and the compiler's own form: tests link the first, quickly; the program and the benches are
# optimised as a whole, because a tick crosses a dozen files. -DHADRON_LTO=OFF while working on something else than speed: a link takes a second.
option(HADRON_LTO "optimise the release program as a whole" ON)
add_library(hadron_whole INTERFACE)
if(HADRON_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HADRON_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(HADRON_LTO_COMPILE -flto=auto -ffat-lto-objects)
  target_link_options(hadron_whole INTERFACE -flto=auto -O3)
  set(HADRON_LTO_NONE -fno-lto) # without a word the linker takes the compiler's form wherever it finds one
endif()
