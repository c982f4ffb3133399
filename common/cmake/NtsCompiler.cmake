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
if(NTS_WERROR)
    add_compile_options(-Werror)
endif()

if(NTS_SANITIZE)
    add_compile_options(-fsanitize=${NTS_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${NTS_SANITIZE})
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
