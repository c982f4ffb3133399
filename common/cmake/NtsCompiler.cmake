# The language, the warnings and the hardening that every target of the farm is built with.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

option(NTS_WERROR "Treat warnings as errors" OFF)
option(NTS_HARDEN "Stack protector, FORTIFY, full RELRO" ON)
set(NTS_SANITIZE "" CACHE STRING "Sanitizers to build with, as for -fsanitize=")

add_compile_definitions(_GNU_SOURCE NTS_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla -Wimplicit-fallthrough
    -fno-strict-aliasing -fno-omit-frame-pointer)
# gcc clears and copies small structures with `rep stos` and `rep movs`, which take some thirty cycles
# to start: too long for the packet path.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign
        -mmemcpy-strategy=unrolled_loop:64:noalign,libcall:-1:noalign)
endif()
if(NTS_WERROR)
    add_compile_options(-Werror)
endif()

# The packet path crosses many small files. Only with gcc, because clang would need a linker plugin.
option(NTS_LTO "Optimise across files at link time (gcc)" OFF)
if(NTS_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    if(NTS_BUILD_TESTS)
        add_compile_options(-ffat-lto-objects) # test programs are linked without: see nts_test_code
    endif()
endif()

if(NTS_SANITIZE)
    add_compile_options(-fsanitize=${NTS_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${NTS_SANITIZE})
endif()

option(NTS_BUILD_FUZZERS "Build the fuzz targets (needs clang)" OFF)
if(NTS_BUILD_FUZZERS)
    add_compile_options(-fsanitize=fuzzer-no-link) # what they reach tells them where to go on
endif()

if(NTS_HARDEN)
    add_compile_options(-fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        add_compile_options(-fcf-protection)
    endif()
    add_link_options(-Wl,-z,relro,-z,now -Wl,-z,noexecstack)
    # FORTIFY needs optimisation, and the sanitizers bring checks of their own.
    if(NOT NTS_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
endif()
