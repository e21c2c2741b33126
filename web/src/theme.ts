import { definePreset } from '@primeuix/themes'
import Aura from '@primeuix/themes/aura'

/** PrimeVue's Aura in our own colours: petrol for actions, warm neutrals for surfaces. */
export const RecotemPreset = definePreset(Aura, {
  components: {
    button: {
      colorScheme: {
        light: {
          root: {
            danger: {
              background: '{red.700}',
              borderColor: '{red.700}',
              hoverBackground: '{red.800}',
              hoverBorderColor: '{red.800}',
            },
          },
          outlined: {
            secondary: { color: '{surface.700}', borderColor: '{surface.300}' },
            danger: { color: '{red.700}', borderColor: '{red.300}' },
          },
          text: { secondary: { color: '{surface.600}' }, danger: { color: '{red.700}' } },
        },
        dark: {
          outlined: {
            secondary: { color: '{surface.100}', borderColor: '{surface.600}' },
            danger: { color: '{red.300}', borderColor: '{red.800}' },
          },
          text: { secondary: { color: '{surface.200}' }, danger: { color: '{red.300}' } },
        },
      },
    },
    toast: {
      colorScheme: {
        light: {
          success: { color: '{green.700}' },
          error: { color: '{red.700}' },
        },
      },
    },
    togglebutton: {
      colorScheme: {
        light: { root: { color: '{surface.600}' } },
        dark: { root: { color: '{surface.200}' } },
      },
    },
  },
  semantic: {
    primary: {
      50: '#eef7f5',
      100: '#d5ebe7',
      200: '#aed8d1',
      300: '#83d8ca',
      400: '#5cc4b3',
      500: '#2b8c7f',
      600: '#14655b',
      700: '#0e4e46',
      800: '#0b3d37',
      900: '#08302b',
      950: '#041d1a',
    },
    focusRing: { width: '2px', style: 'solid', color: '{primary.color}', offset: '2px' },
    formField: { borderRadius: '8px', paddingY: '0.55rem' },
    colorScheme: {
      light: {
        surface: {
          0: '#ffffff',
          50: '#f7f6f3',
          100: '#f1efea',
          200: '#e3e0d9',
          300: '#cbc7bd',
          400: '#9a9d98',
          500: '#616a66',
          600: '#4e5955',
          700: '#38423f',
          800: '#2a3230',
          900: '#1d2422',
          950: '#121716',
        },
        primary: {
          color: '#14655b',
          contrastColor: '#ffffff',
          hoverColor: '#0e4e46',
          activeColor: '#0b3d37',
        },
      },
      dark: {
        surface: {
          0: '#ffffff',
          50: '#e9edeb',
          100: '#d3dad7',
          200: '#b4bebb',
          300: '#8d9895',
          400: '#84908d',
          500: '#5d6966',
          600: '#46514e',
          700: '#2d3533',
          800: '#232a28',
          900: '#1b201f',
          950: '#131716',
        },
        primary: {
          color: '#5cc4b3',
          contrastColor: '#06231f',
          hoverColor: '#83d8ca',
          activeColor: '#aed8d1',
        },
      },
    },
  },
})
